"""Why something is dropped: each reason has a counter `dropped-<reason>` in `status`."""

from enum import Enum

from tunnelmgr.api.errors import WireError


class Drop(Enum):
    """Reasons, in the order of the checks of docs/protocols/sixinfour.md section 4."""

    OLD_CHANNEL = "old-channel"  # arrived for an address this host has left
    OUTER_DESTINATION = "outer-destination"
    OUTER_SOURCE = "outer-source"
    MALFORMED = "malformed"
    SOURCE = "source"  # an inner source that no host has
    INGRESS = "ingress"  # an inner source that is not on the side it came from
    DESTINATION = "destination"
    ROUTING_HEADER = "routing-header"
    NESTED = "nested"  # tunnels within tunnels, too many
    ECN = "ecn"  # congestion experienced by a packet that cannot say so
    DISCOVERY = "discovery"  # neighbour discovery that is not for a configured tunnel
    EMBEDDED = "embedded"  # 6to4 and 6rd: the inner address does not belong to the outer one
    HOP_LIMIT = "hop-limit"  # came from one customer of 6rd for another, too many times
    DHCP = "dhcp"  # 6rd: no answer to our question, or one that nobody may believe
    # From this host.
    NOT_OPEN = "not-open"  # there is no channel to send on
    RECURSION = "recursion"  # the tunnel's own packets: it is routed through itself
    TOO_BIG = "too-big"
    NO_REMOTE = "no-remote"  # 6to4 and 6rd: no IPv4 address follows from the destination


class Refused(WireError):  # noqa: N818  # reads as what happened: `except Refused`
    """Bytes that are dropped for a reason worth counting by itself."""

    def __init__(self, drop: Drop) -> None:
        super().__init__(drop.value)
        self.drop = drop
