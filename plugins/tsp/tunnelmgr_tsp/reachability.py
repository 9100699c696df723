"""How to find out whether a broker answers: an ECHO REQUEST, which begins no session (docs/protocols/tsp.md section 11)."""

from collections.abc import Iterator
from functools import partial
from random import Random

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr_tsp.brokers import Broker
from tunnelmgr_tsp.constants import SEQUENCE_FIRST
from tunnelmgr_tsp.header import ControlMessage
from tunnelmgr_tsp.settings import ClientSettings, Signalling

_ECHO = b"ECHO REQUEST"
_TIMESTAMP_BITS = 32


def probes(settings: ClientSettings, random: Random) -> Iterator[ReachProbe]:
    """Yield a question to each broker, where it may be asked over UDP."""
    if settings.signalling is Signalling.TCP:
        return
    for broker in map(Broker.parse, settings.broker):
        message = ControlMessage(SEQUENCE_FIRST, random.getrandbits(_TIMESTAMP_BITS), _ECHO)
        yield ReachProbe(
            what=f"broker {broker.host}, UDP {broker.port}",
            target=broker.host,
            port=broker.port,
            request=message.serialize(),
            understand=partial(_understand, message),
        )


def _understand(asked: ControlMessage, data: bytes) -> Heard | None:
    try:
        answer = ControlMessage.parse(data)
    except WireError:
        return None
    is_answer = (answer.sequence, answer.timestamp) == (asked.sequence, asked.timestamp)
    # A broker that knows no ECHO REQUEST may refuse it: it is there all the same, and says nothing of where it sees us.
    return Heard() if is_answer and answer.text[:1].isdigit() else None
