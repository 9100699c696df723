"""Every number of the protocol, with its unit and its source.

"sixinfour.md" is docs/protocols/sixinfour.md, which marks our own decisions [P].
"""

from ipaddress import IPv4Network, IPv6Network

from tunnelmgr.api.addresses import BEHIND_NAT, NEVER_A_HOST

# What the specifications fix.
OVERHEAD = 20  # bytes of outer header, which has no options; RFC 4213 section 3.5
TUNNEL_MTU_MIN = 1280  # bytes; RFC 8200 section 5
TUNNEL_MTU_ETHERNET = 1480  # bytes; the largest that RFC 4213 section 3.2.1 allows without knowing the far end
PATH_MTU_MIN = 68  # bytes of IPv4 packet every link carries; RFC 791
PATH_MTU_AGE = 600.0  # seconds a learned path MTU is believed; RFC 1191 section 6.3
PLATEAUS = (32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68)  # bytes; RFC 1191 section 7.1, as sixinfour.md has it
ECN = 0x03  # of the TOS octet and the traffic class; RFC 3168
DSCP = 0xFC  # RFC 2474
LINK_LOCAL = IPv6Network("fe80::/64")  # RFC 4291 section 2.5.6
GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 section 2.4, as far as it is given away
SITES = (GLOBAL_UNICAST, IPv6Network("fc00::/7"))  # what a site's prefix is part of; unique local ones are RFC 4193
POINT_TO_POINT = 127  # bits; from here on every address of a prefix is a host's: RFC 6164
# Never reached through a router: multicast, link-local, loopback and unspecified addresses; RFC 4291 section 2.4.
NEVER_BEYOND = tuple(IPv6Network(block) for block in ("ff00::/8", "fe80::/10", "::/127"))
SIXTOFOUR_PREFIX = IPv6Network("2002::/16")  # RFC 3056 section 2
ANYCAST_RELAY = IPv4Network("192.88.99.0/24")  # RFC 3068, deprecated by RFC 7526

# What we chose.
OUTER_TTL = 64  # RFC 4213 section 3.3 leaves it open
SITE_LENGTH_MIN = 16  # bits; the shortest prefix a profile may call its own: registries give providers /20 to /32
STATIC_MTU_MAX = 8980  # bytes; jumbo frames of 9000, where the administrator states that the far end takes them
PROBE_SIZES = (1480, 1472, 1460, 1452, 1432, 1400, 1360, 1320)  # bytes of IPv6: Ethernet, PPPoE, and tunnels of others
PROBE_ROUNDS = 2  # each size has as many chances before it counts as too large
KEEPALIVE_INTERVAL = 60.0  # seconds; sixinfour.md section 7
KEEPALIVE_TIMEOUT = 5.0  # seconds an answer may take
KEEPALIVE_EAGER = 12  # losses in a row, after which the next request waits for its interval again
FIRST_TIMEOUT = 1.0  # seconds while the far end is not heard, doubled from request to request up to KEEPALIVE_TIMEOUT
KEEPALIVE_LOSSES = 3  # in a row, until the far end counts as silent
NONCE_LENGTH = 8  # bytes, random, in every echo request: only a host that sees it can answer
LARGE_INTERVAL = 10.0  # seconds from round to round in use: with three timeouts, a black hole shows within 30; S-MT-011
# Bytes since the last round that are use: more than the probes of two ends and their answers, which would keep each other
# awake, and less than TCP's first window of 10 segments (RFC 6928).
LARGE_USE = 8000
ECHO_HOP_LIMIT = 64
IMPATIENCE = 1.0  # seconds without an answer, after which a sign of life makes us ask again
SIGN_INTERVAL = 10.0  # seconds from one such sign to the next: anyone can forge them, and KEEPALIVE_TIMEOUT must fit in
UP_PATIENCE = 1.0  # seconds the first word waits for the far end's answer, so that it can tell the MTU
REOPEN_INTERVAL = 5.0  # seconds until a channel that could not be had is asked for again
UNREACHABLE_STRIKES = 3  # ICMPv4 errors within UNREACHABLE_WINDOW that say more than silence; sixinfour.md section 6
UNREACHABLE_WINDOW = 10.0  # seconds
NOTICE_INTERVAL = 60.0  # seconds from one notice of what strangers can provoke to another of its kind
NOTICE_REPETITION = 3600.0  # seconds from one to the same again
ENCAPSULATIONS_MAX = 4  # tunnels within tunnels, ours included; sixinfour.md section 2
ERROR_ANSWERS = 10  # ICMPv6 errors in any second; RFC 4443 section 2.4 (f)
DERIVED_PATHS_MAX = 1024  # prefixes of other 6to4 or 6rd sites with a path of their own
DERIVED_PATH_VALIDITY = 60.0  # seconds without reception after which such a path goes back to the Tunnel
DHCP_TIMEOUTS = (1.0, 2.0, 4.0, 8.0)  # seconds for an answer to each request, doubled as RFC 2131 section 4.1 has it
DHCP_IDENTIFIER_LENGTH = 8  # bytes, random
LEARN_INTERVAL = 3600.0  # seconds after which a DHCP server is asked whether all is as it was
LEARN_REFUSALS = 3  # questions answered without an option 212, and none with it, until what was learnt is forgotten
LEARN_RETRY = 300.0  # seconds after which it is asked again when it did not answer, or knew nothing

# Never the outer address of a packet: RFC 3964 section 5.1. Documentation blocks pass, as in every laboratory.
NOT_UNICAST = (*NEVER_A_HOST, *BEHIND_NAT)
# 6to4 prefixes made of them: RFC 3964 section 5.1.
SIXTOFOUR_NEVER = tuple(
    IPv6Network((0x2002 << 112 | int(block.network_address) << 80, 16 + block.prefixlen)) for block in NOT_UNICAST
)
# Never an inner source: RFC 4213 section 3.6. The unspecified address is one of its own.
NEVER_A_SOURCE = tuple(IPv6Network(block) for block in ("ff00::/8", "::/96", "::ffff:0:0/96"))

# Updates of the endpoint a provider knows: docs/protocols/sixinfour.md section 8.
HE_UPDATE_URL = "https://ipv4.tunnelbroker.net/nic/update"  # a name with A records only: the request must not go by IPv6
UPDATE_TIMEOUT = 20.0  # seconds
UPDATE_ANSWER_MAX = 4096  # bytes; one line is expected
UPDATE_INTERVAL = 300.0  # seconds from one request to the next at least
UPDATE_RETRY = (300.0, 7200.0)  # seconds after trouble at the provider, doubled up to the second
UPDATE_UNREACHED_RETRY = (10.0, 60.0)  # seconds after a request that did not get there, doubled up to the second
UPDATE_REFUSED_PAUSE = 86400.0  # seconds after which a refusal may have been mended over there
UPDATE_ABUSE_PAUSE = 86400.0  # seconds after having been blocked for too many updates
UPDATE_SILENCE = 180.0  # seconds without an answer of the far end: the provider may believe us elsewhere
# Seconds until the provider is told again of a silence that telling it has not ended, doubled up to the second, which is how
# long a start heeds what an earlier one told.
UPDATE_TOLD_AGAIN = (7200.0, 86400.0)
