"""Explicit congestion notification: the low two bits of the IPv4 TOS octet and the IPv6 traffic class (RFC 3168)."""

from enum import IntEnum


class Ecn(IntEnum):
    NOT_ECT = 0  # the sender does not understand ECN
    ECT_1 = 1
    ECT_0 = 2
    CE = 3  # a router on the way was congested
