"""How to find out if a broker answers: an ECHO REQUEST over UDP, a connection over TCP (docs/protocols/tsp.md section 11).

Neither begins a session. A broker that accepts a connection and is silent over UDP shows that UDP does not pass.
"""

from collections.abc import Iterator
from functools import partial
from random import Random

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.reach import Heard, ReachProbe
from tunnelmgr_tsp.client.candidates import Broker
from tunnelmgr_tsp.client.settings import Signalling, TspClientSettings
from tunnelmgr_tsp.constants import SEQUENCE_FIRST, TIMESTAMP_BITS
from tunnelmgr_tsp.wire.datagrams import ECHO_REQUEST, ControlMessage


def probes(settings: TspClientSettings, random: Random) -> Iterator[ReachProbe]:
    """Yield a question to each broker by each protocol it may be spoken to by."""
    brokers = list(map(Broker.parse, settings.broker))
    if settings.signalling is not Signalling.TCP:
        yield from (_echo(broker, random) for broker in brokers)
    if settings.signalling is not Signalling.UDP:
        yield from (_connection(broker) for broker in brokers)


def _connection(broker: Broker) -> ReachProbe:
    what = f"broker {broker.host}, TCP {broker.port}"
    return ReachProbe(what, broker.host, broker.port, ChannelKind.TCP_CONNECT)


def _echo(broker: Broker, random: Random) -> ReachProbe:
    message = ControlMessage(SEQUENCE_FIRST, random.getrandbits(TIMESTAMP_BITS), ECHO_REQUEST)
    return ReachProbe(
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
    # A broker that does not know ECHO REQUEST may refuse it, and has answered all the same. None says where it sees us.
    return Heard() if is_answer and answer.text[:1].isdigit() else None
