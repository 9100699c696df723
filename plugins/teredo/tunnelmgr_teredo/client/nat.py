"""What the answers of a server show of the NAT (RFC 4380 section 5.2.1)."""

from tunnelmgr.api.events import Notice
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.report import NatKind

_RESTRICTED = (NatKind.ADDRESS_RESTRICTED, NatKind.PORT_RESTRICTED)


class NatEvidence:
    """Names the kind of NAT, and another one when it is another."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.kind: NatKind | None = None
        """The kind that was named last; None while unknown."""
        self.mapped_secondary: Endpoint | None = None
        """Where the server's second address sees us; None while it has not answered."""
        self.unfiltered: Endpoint | None = None
        """The mapping that was found to let everybody in."""

    @property
    def word(self) -> str:
        return "unknown" if self.kind is None else self.kind.value

    def candidates(self, *, filters: bool) -> str | None:
        """Return the kinds the NAT may be, the mildest first; None where it can be one only.

        `filters`: whether it has been seen to keep something out.
        """
        if self.kind is not NatKind.PORT_RESTRICTED:
            return None
        return ", ".join(kind.value for kind in (_RESTRICTED if filters else (NatKind.FULL_CONE, *_RESTRICTED)))

    def judge(self, local: Endpoint, mapped: Endpoint) -> NatKind | None:
        """Return the strictest of the kinds that remain, where the first address sees us at `mapped`."""
        if mapped == local:
            return NatKind.NONE
        if self.mapped_secondary is None:
            return None
        if self.mapped_secondary != mapped:
            # One port, two mappings: other Teredo clients, who know one of them, will find it closed.
            return NatKind.SYMMETRIC
        # The answers of both addresses were asked for, so they show nothing of how the NAT filters.
        return NatKind.FULL_CONE if mapped == self.unfiltered else NatKind.PORT_RESTRICTED

    def name(self, kind: NatKind, mapped: Endpoint) -> None:
        """Tell the user the kind of NAT, if that is news."""
        if kind is self.kind:
            return
        self.kind = kind
        words = "no NAT" if kind is NatKind.NONE else f"NAT {kind.value}"
        self._outbox.say(Notice("teredo.nat", f"{words}, you appear as {mapped}"))
