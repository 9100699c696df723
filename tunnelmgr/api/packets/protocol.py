"""Protocol numbers of the IPv4 protocol field and the IPv6 next header field (one IANA registry), as far as we know them.

Packets hold plain integers, since any of the 256 values may be met; these compare equal to them.
"""

from enum import IntEnum


class IpProtocol(IntEnum):
    HOP_BY_HOP_OPTIONS = 0
    ICMPV4 = 1
    TCP = 6
    UDP = 17
    IPV6 = 41
    ROUTING = 43
    FRAGMENT = 44
    ESP = 50
    AUTHENTICATION = 51
    ICMPV6 = 58
    NO_NEXT_HEADER = 59
    DESTINATION_OPTIONS = 60
