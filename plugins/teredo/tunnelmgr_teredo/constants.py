"""Every number of the protocol, with its unit and its source.

"teredo.md" is docs/protocols/teredo.md, which marks our own decisions [P].
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from tunnelmgr.api.addresses import NOT_PUBLIC

# What the specifications fix.
TEREDO_PREFIX = IPv6Network("2001::/32")  # RFC 4380 section 2.6
OBSOLETE_PREFIX = IPv6Network("3ffe:831f::/32")  # Windows before MS06-064; 6bone space, returned in 2006
SERVER_PORT = 3544  # UDP; RFC 4380 section 2.7
DISCOVERY_GROUP = IPv4Address("224.0.0.253")  # RFC 4380 section 2.17
ALL_NODES = IPv6Address("ff02::1")  # RFC 4291 section 2.7.1
ALL_ROUTERS = IPv6Address("ff02::2")
LINK_LOCAL_PREFIX = IPv6Network("fe80::/64")

SOLICITATION_TIMEOUT = 4.0  # seconds; T in RFC 4380 section 5.2.1
SOLICITATIONS_MAX = 3  # transmissions; N in RFC 4380 section 5.2.1
NONCE_LENGTH = 8  # bytes, in the authentication header; RFC 4380 section 5.1.1
REFRESH_INTERVAL = 30.0  # seconds; RFC 4380 section 5.2
REFRESH_SHORTEST = 0.75  # of the interval: RFC 4380 section 5.2 wants 75 to 100 percent, drawn each time
PEER_VALIDITY = 30.0  # seconds since the last reception; RFC 4380 section 5.2.4
LOCAL_PEER_MEMORY = 600.0  # seconds since the last discovery bubble; RFC 4380 section 5.2.4, case 3
CONTACT_TIMEOUT = 2.0  # seconds for an answer to a bubble or an echo test; RFC 4380 section 5.2.4, cases 2 and 5
CONTACT_ROUNDS = 4  # a first try and three repetitions; RFC 4380 section 5.2.4
BUBBLE_INTERVAL = 2.0  # seconds since the last transmission to the peer; RFC 4380 section 5.2.6
BUBBLES_MAX = 4  # within BUBBLE_WINDOW without a direct answer; RFC 4380 section 5.2.6
BUBBLE_WINDOW = 300.0  # seconds; RFC 4380 section 5.2.6
DISCOVERY_INTERVAL = (200.0, 300.0)  # seconds, uniform; RFC 4380 section 5.2.8
LINK_MTU = 1280  # bytes; RFC 4380 section 5.1.2
MTU_MAX = 65535  # bytes; what a router advertisement may say at most: teredo.md section 4.4
TRAILER_NONCE_LENGTH = 4  # bytes; RFC 6081 section 4.2
ALTERNATE_ADDRESSES_MAX = 4  # in one trailer; RFC 6081 section 4.3
KNOCK_TIMEOUT = 2.0  # seconds for a bubble to come through to the second port; RFC 4380 section 5.2.7
KNOCKS_MAX = 4  # a first bubble and three repetitions; RFC 4380 section 5.2.7
INTERVAL_FIRST_GUESS = 60.0  # seconds; RFC 4380 section 5.2.7
INTERVAL_MAX = 120.0  # seconds; RFC 4380 section 5.2.7
INTERVAL_CLOSE_ENOUGH = 0.75  # of the maximum still possible ends the search; RFC 4380 section 5.2.7
RELAY_CONTACT_TIMEOUT = 2.0  # seconds for a client to answer a relay's bubble; RFC 4380 section 5.4.1, case 3
RELAY_CONTACT_ROUNDS = 4  # a first bubble and three repetitions; RFC 4380 section 5.4.1, case 3

# What we chose.
SERVICE_PORTS = range(49152, 65536)  # the dynamic ports; RFC 6169 section 5.2.3 wants one that cannot be guessed
RANDOM_FLAGS = 0x3CFF  # Random1 and Random2; C, z, U and G stay 0: RFC 5991 section 3.1
CLIENT_LINK_LOCAL = IPv6Address("fe80::ffff:ffff:ffff")  # as Miredo: cone bit 0, nothing told; teredo.md section 2
CLIENT_LINK_LOCAL_CONE = IPv6Address("fe80::8000:ffff:ffff:ffff")  # the same with the cone bit: see filtering.py
BUBBLE_HOP_LIMIT = 255  # teredo.md section 3.4
DISCOVERY_HOP_LIMIT = 1  # RFC 4380 section 5.2.8
PROOF_KEY_LENGTH = 16  # bytes of the key behind the link-local sources of bubbles: see return_routability.py
ECHO_HOP_LIMIT = 128  # as Miredo; teredo.md section 4.10
ECHO_NONCE_LENGTH = 16  # bytes; RFC 4380 section 5.2.9 wants eight at least
ECHO_NONCE_VALIDITY = 30.0  # seconds; teredo.md section 4.10
STRANGER_ECHO_TESTS = 50  # a second, on account of packets received: teredo.md section 4.7, rule 15 (CVE-2006-6266)
HOST_ERRORS = 10  # ICMPv6 errors to this host in any second; teredo.md section 4.13
RESTART_DELAY = 5.0  # seconds, doubled at every failure; teredo.md section 1
RESTART_DELAY_MAX = 100.0  # seconds, as Miredo
RESTART_SPREAD = 0.25  # of the delay, both ways
UNREACHABLE_PATIENCE = 1.0  # seconds from a failed send to the next question; T-CL-030 allows two
SECONDARY_PATIENCE = 0.1  # seconds the address waits for the second probe, so that the NAT is named first in the story
DIRECT_BUBBLE_DELAY = 1.0  # seconds from an indirect bubble to the direct one of its round: see contacts.py
OPENER_TTL = 2  # outer TTL of the bubble that opens our own NAT and no other: see contacts.py
PEERS_MAX = 4096  # entries; teredo.md section 4.6
STRANGERS_SHARE = 0.5  # of the peer list, at most, for entries that have proven nothing
PEER_IDLE_MAX = 600.0  # seconds without traffic after which an entry goes
PEER_SWEEP_INTERVAL = 60.0  # seconds between looks for idle entries
PATH_REPORT_INTERVAL = 5.0  # seconds between looks at what the data plane carried, while it carries anything
PATH_RENEWAL_INTERVAL = 5.0  # seconds after which a path in use is said again because of a packet we received
QUEUE_PACKETS_MAX = 8  # per peer and direction
QUEUE_BYTES_MAX = 10_240  # per peer and direction
QUEUES_BYTES_MAX = 1 << 20  # of all peers together
DIRECT_BUDGET = (8, 2.0)  # bubbles to one IPv4 host: burst, then per second; teredo.md section 8 (flooding a victim)
SERVER_BUDGET = (64, 50.0)  # bubbles to one server: burst, then per second
BUDGETS_MAX = 4096  # IPv4 hosts whose budget is kept
ICMP_STRIKES = 3  # ICMPv4 errors in a row after which a peer's mapping is not trusted; teredo.md section 4.13
STATUS_PEERS_MAX = 256  # peers told in a status; api/status.py
DISSECTOR_MEMORY = 4096  # echo tests, and endpoints that talked to a server, kept while explaining a capture
CHANNEL_ATTEMPTS = 4  # random service ports tried when they are taken

# What we chose for servers (teredo.md section 6.4). A pair is a burst, then how many a second.
SERVER_ICMPV6_MAX = 88  # bytes of IPv6 payload in an ICMPv6 message a server passes on; as Miredo
SOLICITATIONS_PER_ADDRESS = (8, 4.0)  # answers to one IPv4 address
SOLICITATIONS_PER_NETWORK = (128, 64.0)  # answers to one IPv4 network
SOLICITATIONS_NETWORK = 24  # bits of its prefix
SOLICITATIONS_IN_ALL = (5000, 5000.0)  # of 150,000 clients that refresh every 30 seconds
FORWARDED_PER_DESTINATION = (64, 16.0)  # bubbles and ICMPv6 to one IPv4 address, which may hide many clients
ECHOES_PER_SOURCE = (64, 8.0)  # to native hosts, on behalf of one IPv4 address; a page of the web asks for dozens at once
SERVER_BUDGETS_MAX = 16_384  # IPv4 addresses or networks whose budget is kept, of each kind
SOLICITATIONS_KEPT = 64  # different ones read before; nearly all clients send one of half a dozen
GUEST_MEMORY = 3600.0  # seconds after a signed solicitation; clients that hear their server otherwise refresh less often
GUESTS_MAX = 65_536  # mappings of clients that have signed one
SERVER_RETRANSMIT_TIMER = 2000  # milliseconds, in our advertisements; as Miredo

# What we chose for relays (teredo.md section 7).
RELAY_PORT = 3545  # UDP; fixed, because a firewall may have to let it in
RELAY_PEERS_MAX = 65_536  # entries
RELAY_PEERS_MIN = 64  # entries; fewer leave no room for shares of it
RELAY_CONTACTS_SHARE = 0.25  # of the peer list, at most, for clients that have not answered yet
RELAY_NETWORK_SHARE = 0.25  # of the peer list, at most, on behalf of one native network
RELAY_NETWORK = 64  # bits of its prefix; RFC 4380 section 7.3.5 leaves the measure open
RELAY_NEWCOMERS_PER_NETWORK = (256, 64.0)  # entries on behalf of one native network: burst, then per second
RELAY_NEWCOMERS_IN_ALL = (4096, 2000.0)
RELAY_NETWORKS_MAX = 16_384  # native networks whose budget is kept
RELAY_SERVER_BUDGET = (256, 200.0)  # bubbles through one server, which every client of it needs: burst, then per second
RELAY_ERRORS = 100  # ICMPv6 errors in any second, to all native hosts together
RELAY_PEER_MEMORY = 300.0  # seconds since the last reception until a client is forgotten
RELAY_CHECK_INTERVAL = 8.0  # seconds between looks at whether a client is still heard
RELAY_CHORES_MAX = 64  # entries looked at in one go: a hundred thousand may fall silent at once, and packets go on
RELAY_CHORES_PAUSE = 0.001  # seconds between two goes
RELAY_BUSY = 1000  # clients from which on the data plane is asked more often, so that no answer is long
RELAY_BUSY_REPORT_INTERVAL = 0.05  # seconds
RELAY_HOST_ADDRESSES_MAX = 64  # addresses of this host a host-specific relay has seen it use

# "Global unicast": what RFC 4380 section 5.2.4 refuses, then what we add (teredo.md section 2). Documentation blocks pass:
# they are routed nowhere, and every laboratory and every example of the RFCs uses them.
NOT_GLOBAL_UNICAST = (*NOT_PUBLIC, IPv4Network("192.88.99.0/24"))

# IPv6 addresses that no relay serves: what a server must not forward (RFC 4380 section 5.3.1), unique local addresses, which
# nothing routes between sites, the obsolete Teredo prefix, and Teredo itself.
NOT_NATIVE = (
    TEREDO_PREFIX,
    OBSOLETE_PREFIX,
    *(IPv6Network(block) for block in ("::/8", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")),
)

SERVICE = "service"  # the channel everything but local discovery travels on
