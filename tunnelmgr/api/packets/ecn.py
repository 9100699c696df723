"""Explicit congestion notification: the low two bits of the IPv4 TOS octet and the IPv6 traffic class (RFC 3168)."""

from enum import IntEnum


class Ecn(IntEnum):
    """What two bits say. Tunnels combine those of the outer and the inner header (RFC 6040)."""

    NOT_ECT = 0  # the sender does not understand ECN
    ECT_1 = 1
    ECT_0 = 2
    CE = 3  # a router on the way was congested


def decapsulated_ecn(inner: Ecn, outer: Ecn) -> Ecn | None:
    """Return what a packet says when its outer header is taken off (RFC 6040 section 4.2); None: it is to be dropped."""
    if inner is Ecn.NOT_ECT:
        return None if outer is Ecn.CE else inner
    if outer is Ecn.CE or (outer is Ecn.ECT_1 and inner is Ecn.ECT_0):
        return outer
    return inner


def is_suspicious_ecn(inner: Ecn, outer: Ecn) -> bool:
    """Tell whether no honest path makes this combination: the cells marked in figure 4 of RFC 6040."""
    if outer is Ecn.NOT_ECT or inner is outer:
        return False
    if inner is Ecn.ECT_0:
        return False
    return not (inner is Ecn.ECT_1 and outer is Ecn.CE) and not (inner is Ecn.CE and outer is Ecn.ECT_0)
