"""ICMPv4 errors about our packets, into path MTU, evidence and ICMPv6 (docs/protocols/sixinfour.md section 6, RFC 4213 3.4).

Anyone can forge them. What they change is soft: a smaller MTU for ten minutes, a line of evidence.
"""

from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import IcmpReceived
from tunnelmgr.api.error_answers import ErrorAnswers
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.packets.icmpv4 import FRAGMENTATION_NEEDED, Icmpv4Type
from tunnelmgr.api.packets.ipv6 import IPV6_HEADER_LENGTH, IPv6Quote
from tunnelmgr_sixinfour.configured.sides import Sides
from tunnelmgr_sixinfour.constants import OVERHEAD
from tunnelmgr_sixinfour.protocol41.diagnosis import FarEndEvidence, SparingNotices, words_for
from tunnelmgr_sixinfour.protocol41.path_mtu import PathMtu

_LENGTH_KNOWN = 6  # bytes of quote that include the payload length


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

    def judge(self, event: IcmpReceived, sides: Sides, now: float) -> bool:
        """Take an error; return True if the MTU may be another.

        What is about another tunnel's packets, or can do nothing, is counted.
        """
        if event.remote.address == self._remote:
            if (event.type, event.code) == FRAGMENTATION_NEEDED:
                return self._too_big(event, sides, now)
            if event.type in {Icmpv4Type.DESTINATION_UNREACHABLE, Icmpv4Type.TIME_EXCEEDED}:
                self._outbox.count("icmp-unreachable")
                self._evidence.error(event, now)
                self._tell(event, now)
                if _is_of(sides, event.quote):
                    self._errors.unreachable(event.quote, now)
                return False
            if event.type == Icmpv4Type.PARAMETER_PROBLEM:
                self._outbox.count("icmp-parameter-problem")
                self._tell(event, now)
                return False
        self._outbox.count("icmp-ignored")
        return False

    def _tell(self, event: IcmpReceived, now: float) -> None:
        reporter = event.reporter.address if event.reporter is not None else "this host"
        self._notices.say("6in4.icmp", f"{self._remote}: {words_for(event)}, says {reporter}", now)

    def _too_big(self, event: IcmpReceived, sides: Sides, now: float) -> bool:
        quoted = None
        if event.reporter is not None and len(event.quote) >= _LENGTH_KNOWN:
            quoted = OVERHEAD + IPV6_HEADER_LENGTH + int.from_bytes(event.quote[4:6], "big")
        is_readable = event.reporter is None or quoted is not None
        if not is_readable or not self._path_mtu.refused(event.mtu, quoted, now):
            self._outbox.count("icmp-ignored")
            return False
        self._outbox.count("icmp-too-big")
        if quoted is not None and quoted - OVERHEAD > self._path_mtu.tunnel_mtu and _is_of(sides, event.quote):
            self._errors.too_big(event.quote, self._path_mtu.tunnel_mtu, now)
        return True


def _is_of(sides: Sides, quote: bytes) -> bool:
    """True if a packet is from this side: a forged error must not make us write to other hosts."""
    try:
        return sides.is_ours(IPv6Quote.parse(quote).packet.source)
    except WireError:
        return False
