"""ICMPv4 errors about our packets, into path MTU, evidence and ICMPv6 (docs/protocols/sixinfour.md section 6, RFC 4213 3.4).

Anyone can forge them. What they change is soft: a smaller MTU for ten minutes, a line of evidence.
"""

from enum import Enum
from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import IcmpReceived
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmpv4 import Icmpv4Type, Icmpv4UnreachableCode
from tunnelmgr.api.packets.ipv6 import IPv6Quote
from tunnelmgr_sixinfour.constants import OVERHEAD
from tunnelmgr_sixinfour.protocol41.diagnosis import FarEndEvidence, SparingNotices, words_for
from tunnelmgr_sixinfour.protocol41.encapsulation import Sides
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu

_TOO_BIG = (Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4UnreachableCode.FRAGMENTATION_NEEDED)
_IPV6_HEADER = 40  # bytes
_LENGTH_KNOWN = 6  # bytes of quote that include the payload length


class News(Enum):
    """What an error may have changed."""

    NOTHING = "nothing"
    MTU = "mtu"


class IcmpJudge:
    """Takes errors about packets to one remote."""

    def __init__(
        self,
        remote: IPv4Address,
        path_mtu: PathMtu,
        evidence: FarEndEvidence,
        errors: ErrorAnswers,
        notices: SparingNotices,
        outbox: Outbox,
    ) -> None:
        self._remote = remote
        self._path_mtu = path_mtu
        self._evidence = evidence
        self._errors = errors
        self._notices = notices
        self._outbox = outbox

    def judge(self, event: IcmpReceived, sides: Sides, now: float) -> News:
        """Take an error; what is about another tunnel's packets, or can do nothing, is counted."""
        if event.remote.address != self._remote:
            self._count("ignored")
        elif (event.type, event.code) == _TOO_BIG:
            return self._too_big(event, sides, now)
        elif event.type in {Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED}:
            self._count("unreachable")
            self._evidence.error(event, now)
            self._tell(event, now)
            if _is_of(sides, event.quote):
                self._errors.unreachable(event.quote, now)
        elif event.type == Icmpv4Type.PARAMETER_PROBLEM:
            self._count("parameter-problem")
            self._tell(event, now)
        else:
            self._count("ignored")
        return News.NOTHING

    def _tell(self, event: IcmpReceived, now: float) -> None:
        reporter = event.reporter.address if event.reporter is not None else "this host"
        self._notices.say("6in4.icmp", f"{self._remote}: {words_for(event)}, says {reporter}", now)

    def _too_big(self, event: IcmpReceived, sides: Sides, now: float) -> News:
        quoted = None
        if event.reporter is not None:
            if len(event.quote) < _LENGTH_KNOWN:
                self._count("ignored")
                return News.NOTHING
            quoted = OVERHEAD + _IPV6_HEADER + int.from_bytes(event.quote[4:6], "big")
        if not self._path_mtu.refused(event.mtu, quoted, now):
            self._count("ignored")
            return News.NOTHING
        self._count("too-big")
        if quoted is not None and quoted - OVERHEAD > self._path_mtu.tunnel_mtu and _is_of(sides, event.quote):
            self._errors.too_big(event.quote, self._path_mtu.tunnel_mtu, now)
        return News.MTU

    def _count(self, what: str) -> None:
        self._outbox.counters[f"icmp-{what}"] += 1


def _is_of(sides: Sides, quote: bytes) -> bool:
    """True if a packet is from this side: a forged error must not make us write to other hosts."""
    try:
        return sides.is_ours(IPv6Quote.parse(quote).packet.source)
    except WireError:
        return False
