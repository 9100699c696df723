"""Why the far end is silent, as far as can be told, and what to do about it (docs/protocols/sixinfour.md section 8)."""

from collections import deque
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from tunnelmgr.api.addresses import SHARED, is_behind_nat
from tunnelmgr.api.datagrams import IcmpReceived
from tunnelmgr.api.events import Notice
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmpv4 import Icmpv4Type, Icmpv4UnreachableCode
from tunnelmgr_sixinfour.constants import NOTICE_INTERVAL, NOTICE_REPETITION, UNREACHABLE_STRIKES, UNREACHABLE_WINDOW

_PROTOCOL = (Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4UnreachableCode.PROTOCOL)
_WORDS = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 13): "administratively prohibited",
    (11, 0): "TTL exceeded",
    (11, 1): "fragments not put together in time",
    (12, 0): "parameter problem",
}


class Diagnosis(NamedTuple):
    """What to tell the user."""

    reason: str
    hint: str


def words_for(event: IcmpReceived) -> str:
    """Return what an error says, in words."""
    return _WORDS.get((event.type, event.code), f"ICMP type {event.type} code {event.code}")


class FarEndEvidence:
    """What was seen of the far end since it was last heard."""

    def __init__(self, remote: IPv4Address, target: IPv6Address) -> None:
        self._remote = remote
        self._target = target
        self._errors: deque[tuple[float, IcmpReceived]] = deque(maxlen=UNREACHABLE_STRIKES)
        self.arrived = False
        """Whether anything of protocol 41 came from the remote."""

    def clear(self) -> None:
        """The far end was heard."""
        self._errors.clear()
        self.arrived = False

    def error(self, event: IcmpReceived, now: float) -> None:
        """Take an ICMPv4 error about one of our packets. Anyone can forge one, so one is not believed."""
        self._errors.append((now, event))

    def is_refused(self, now: float) -> bool:
        """Whether the network has said often enough that our packets do not arrive."""
        if len(self._errors) < UNREACHABLE_STRIKES or now - self._errors[-1][0] > UNREACHABLE_WINDOW:
            return False
        return self._errors[-1][0] - self._errors[0][0] <= UNREACHABLE_WINDOW

    def diagnosis(self, local: IPv4Address, now: float) -> Diagnosis:
        """Say why echo requests from `local` are not answered."""
        if self.is_refused(now):
            return self._refused(self._errors[-1][1])
        if self.arrived:
            return Diagnosis(
                f"{self._target} does not answer through the tunnel, although {self._remote} sends protocol 41",
                "check `address` and `far_address`, and the tunnel's addresses at the far end",
            )
        silent = f"no protocol 41 comes back from {self._remote}"
        if local in SHARED:
            return Diagnosis(
                f"{silent}; {local} is behind the provider's NAT", "use teredo: protocol 41 does not pass such a NAT"
            )
        if is_behind_nat(local):
            return Diagnosis(
                f"{silent}; {local} is behind a NAT",
                f"let the router forward protocol 41 to {local} and tell the far end the router's address, or use teredo",
            )
        return Diagnosis(
            silent, f"start the far end, tell it this host's address {local}, and let firewalls pass protocol 41"
        )

    def _refused(self, event: IcmpReceived) -> Diagnosis:
        words = words_for(event)
        reporter = event.reporter.address if event.reporter is not None else "this host"
        if (event.type, event.code) == _PROTOCOL:
            return Diagnosis(
                f"{self._remote} speaks no protocol 41 ({words}, says {reporter})", "start the tunnel at the far end"
            )
        return Diagnosis(
            f"{self._remote} cannot be reached ({words}, says {reporter})", "check `remote` and the network there"
        )


class SparingNotices:
    """Says one Notice of a code in NOTICE_INTERVAL, and the same again after NOTICE_REPETITION only."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._said: dict[str, tuple[str, float]] = {}
        """Code -> the latest text, and when it was said."""

    def say(self, code: str, text: str, now: float) -> None:
        """Say it, unless it was or something else was just before. `code` is one of few: each is remembered."""
        latest, said_at = self._said.get(code, ("", float("-inf")))
        if now - said_at >= (NOTICE_REPETITION if text == latest else NOTICE_INTERVAL):
            self._said[code] = text, now
            self._outbox.say(Notice(code, text))
