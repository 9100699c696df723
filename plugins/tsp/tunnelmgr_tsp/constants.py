"""Every number of TSP, with its unit and source. "Section" is one of docs/protocols/tsp.md."""

# What the specification fixes, or deployed software.

PORT = 3653  # UDP and TCP; IANA
SEQUENCE_FIRST = 240  # old brokers test byte 3 of the header in place of byte 0: section 3
SEQUENCE_BITS = 28  # RFC 5572; section 3
TIMESTAMP_BITS = 32  # RFC 5572; section 3
KEEPALIVE_DEFAULT = 30  # seconds; RFC 5572
LIFETIME_DEFAULT = 1440  # minutes; RFC 5572
MTU_UDP = 1280  # bytes; what gogoc configures: section 9
MTU_PROTOCOL41 = 1280  # bytes; RFC 4213 section 3.2
VERSION = "2.0.0"  # RFC 5572
REFERRALS_FROM = 1000  # status codes from here on come with a list of brokers; section 8
SASL_MAX = 2048  # bytes of one challenge or answer; RFC 2831 section 2.1.1
KEEPALIVE_BYTES = 16  # of data in an echo request, as many as gogoc sends

# What we chose.

RETRANSMISSION_TIMEOUT = 1.0  # seconds until the first retransmission; TSP-03
RETRANSMISSION_TIMEOUT_MAX = 16.0  # seconds; doubled up to here: TSP-03
SENDS_MAX = 5  # transmissions before the broker has answered once; TSP-03
SENDS_MAX_BEFORE_TCP = 3  # the same where TCP is tried next: gogoc's number, section 2
SENDS_MAX_ANSWERED = 7  # transmissions of one request once it has answered; TSP-03
STREAM_TIMEOUT = 10.0  # seconds to wait for a TCP connection, and for each answer on it
CONTENT_MAX = 16384  # bytes behind Content-length; TSP-06
STATUS_LINE_MAX = 512  # bytes; TSP-06
XML_DEPTH_MAX = 8  # section 7.5
XML_ELEMENTS_MAX = 64  # section 7.5
XML_TEXT_MAX = 1024  # bytes in one element; section 7.5
NONCE_BITS = 128  # of nonce and cnonce; section 6.3 wants 64
QUOTE_MAX = 200  # bytes of a broker's own words shown to the user; section 17

REDIRECT_BROKERS_MAX = 16  # taken from one list; TSP-18
REDIRECT_HOPS_MAX = 5  # TSP-18
BACKOFF_FIRST = 5.0  # seconds, after one attempt at once; TSP-21
BACKOFF_MAX = 300.0  # seconds; TSP-21
BACKOFF_JITTER = 0.2  # of the delay, either way; TSP-21
UNKNOWN_CODES_MAX = 3  # tries before an unknown refusal is taken for permanent; TSP-13

KEEPALIVE_TIMEOUT = 5.0  # seconds until an echo counts as lost; TSP-17
KEEPALIVE_LOSSES_MAX = 3  # in a row; TSP-17
KEEPALIVE_SPREAD = 0.75  # each wait is uniform between this part of the interval and all of it; TSP-16
KEEPALIVE_INTERVAL_MIN = 5  # seconds; what a broker asks for is brought into these bounds
KEEPALIVE_INTERVAL_MAX = 600  # seconds
FIRST_KEEPALIVES_INTERVAL = 1.0  # seconds between echoes until the first answer: a dead path shows soon
GRACE = 60.0  # seconds a silent tunnel stays configured while a new session is tried; section 12
BLOCKED_REMEMBERED = 86400.0  # seconds; a firewall may have been changed since, or it was an outage: TSP-14
RENEWAL = 0.8  # of the lifetime, after which it is renewed in the background; section 12
LIFETIME_MIN = 10  # minutes; shorter lifetimes are taken for this
LIFETIME_MAX = 525600  # minutes, a year; longer ones are taken for this
PREFIX_LENGTH_MIN = 8  # bits; nobody asks for a larger one
RESOLVERS_MAX = 8  # taken from one offer
PREFIX_LENGTH_MAX = 64  # bits; RFC 4291 section 2.5.4
GIVING_BACK_TIMEOUT = 1.5  # seconds to give a tunnel back; a stopping Tunnel is given two

# The broker.

SESSIONS_MAX = 1024  # half-open sessions; section 18
SESSIONS_PER_ADDRESS_MAX = 8  # half-open sessions of one IPv4 address; section 18
SESSION_TIMEOUT = 30.0  # seconds without a word before the tunnel is up; section 18
REQUESTS_PER_SECOND = 20.0  # of one IPv4 address, on average; section 18
REQUESTS_BURST = 40.0  # of one IPv4 address at once
ADDRESSES_COUNTED_MAX = 4096  # IPv4 addresses whose requests are counted
ANSWERS_KEPT_MAX = 16  # of one session; a client's sequence leaves no room for more: section 3
WAITING_MAX = 4  # messages of one stream that may wait for an answer to the one before
AUTHENTICATIONS_MAX = 3  # failures before a session is silenced; section 18
REFUSED_LOGINS_TOLD_BURST = 5.0  # lines of the log at once; all are counted
REFUSED_LOGINS_TOLD_PER_SECOND = 0.1
USER_SHOWN_MAX = 64  # characters of a stranger's name in the log
SILENCE = 10.0  # seconds of it; section 18
RSPAUTH_PAUSE = 0.3  # seconds between rspauth and 200 on TCP, which gogoc must receive apart: section 15
TUNNEL_SILENCE_MIN = 180.0  # seconds without a packet until a tunnel is dead; section 18
TUNNEL_SILENCE_INTERVALS = 5  # the same in keepalive intervals: the longer counts
HOST_INTERVAL = 1.0  # seconds between two changes of the broker's host, each of which looks at all its neighbours
REOPEN_INTERVAL = 5.0  # seconds until what could not be opened is tried again
SWEEP_INTERVAL = 5.0  # seconds between two looks for dead tunnels
ANONYMOUS_GRACE = 300.0  # seconds a dead anonymous tunnel's lease is kept; section 18
BROKER_KEEPALIVE_MIN = 10  # seconds; a client's wish is brought into these bounds: section 18
BROKER_KEEPALIVE_MAX = 120  # seconds
SLOTS_MAX = 1 << 24  # leases; as many as anybody will keep in one database
STATUS_PEERS_MAX = 256  # tunnels shown in `status`, those most recently used
CLAIM_TRIES = 20  # of one lease, while other brokers take the number it wanted
DATABASE_BUSY_TIMEOUT = 10.0  # seconds to wait for another process's lock on an SQLite file
