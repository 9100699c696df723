"""Times and counts of detection, in seconds unless said otherwise."""

# What the specifications fix.
STUN_PORT = 3478  # RFC 8489 section 18.6
RETRANSMISSION_TIMEOUT = 0.5  # before the first repeat, doubled for each: RFC 8489 section 6.2.1
TRACEROUTE_PORT = 33434  # the first of those nobody listens on, by the custom of traceroute(8)

UDP_HEADERS = 28  # bytes of IPv4 and UDP header without options

# What we chose.
REQUESTS_MAX = 3  # to a server that was not heard yet; silent after 0.5 + 1 + 2 s. RFC 8489 has 7, which takes 39.5 s
BRISK_INTERVAL = 0.3  # between requests to a server that answers
BRISK_WAIT_MIN = 0.9  # after the last of these, at least, and three of its round trips: then the answer was filtered
ROUND_TRIPS_WAITED = 3
ROUTER_ASKED_AT = (0.0, 0.25, 0.75)  # doubling as RFC 6886 section 3.1 has it, but three times and not nine
ROUTER_GIVE_UP = 1.5  # a router is near: it answers at once, or its port control is off
RESOLVE_TIMEOUT = 2.0  # for the name of a server
PING_TIMEOUT = 2.0  # for native IPv6 hosts
PINGS_MAX = 2  # to each of them
MTUS = (1500, 1492, 1480, 1460, 1400, 1280)  # bytes tried: Ethernet, PPPoE, protocol 41, tunnels of other kinds
LIFETIME_MIN, LIFETIME_MAX = 10.0, 600.0  # what `--lifetime` may be
LIFETIME_STEPS = 10  # waits that are tried side by side
HOPS = 4  # routers asked for their addresses: beyond the fourth no home has a NAT
HOPS_TIMEOUT = 1.0  # until the routers that answer have
DETECTION_TIMEOUT = 5.6  # then what is not known is unknown: a silent name server and a silent server take 5.5 s
EVIDENCE_MAX = 64  # entries of each kind kept
