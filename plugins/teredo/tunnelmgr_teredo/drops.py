"""Why something was not taken further: the words behind the `dropped-<reason>` counters."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from tunnelmgr.api.errors import WireError
from tunnelmgr.api.outbox import Outbox


class Drop(Enum):
    """A reason to drop a datagram or a packet."""

    # Datagrams from the network.
    MALFORMED = "malformed"
    OUTER_SOURCE = "outer-source"  # no one can be there: unspecified, multicast, port 0, ourselves
    NOT_QUALIFIED = "not-qualified"
    RA_UNASKED = "ra-unasked"  # no solicitation outstanding to this address, or another nonce
    RA_UNSIGNED = "ra-unsigned"
    RA_KEY_REFUSED = "ra-key-refused"
    RA_ORIGIN = "ra-origin"
    RA_LINK = "ra-link"  # source, destination, hop limit
    RA_CONTENT = "ra-content"
    RA_PREFIX = "ra-prefix"
    RA_MTU = "ra-mtu"
    INNER_DESTINATION = "inner-destination"
    INNER_SOURCE = "inner-source"
    ORIGIN = "origin"
    MISMATCH = "mismatch"  # a Teredo source whose mapping is elsewhere
    UNPROVEN = "unproven"  # a native source without an echo test passed
    ECHO_REPLY = "echo-reply"
    RELAY_REFUSED = "relay-refused"
    DISCOVERY = "discovery"
    LINK_ONLY = "link-only"  # neighbour discovery and its like, never from a tunnel
    ROUTING_HEADER = "routing-header"
    # Datagrams a server or a relay gets.
    PROTOCOL = "protocol"  # neither bubble nor ICMPv6, which is all a server passes on
    LOOP = "loop"  # from ourselves or to ourselves
    SOLICITATION = "solicitation"  # a router solicitation that RFC 4861 refuses
    UNSIGNED = "unsigned"  # without the signature this server demands
    STRANGER = "stranger"  # from a network this server is not for
    NO_SECONDARY = "no-secondary"  # wants an answer from a second address, and there is none
    FOREIGN_CLIENT = "foreign-client"  # for a client of another server
    ICMP_TYPE = "icmp-type"
    SOLICITATION_LIMIT = "solicitation-limit"
    FORWARD_LIMIT = "forward-limit"
    NO_ENTRY = "no-entry"  # from a client that this relay has not been asked for
    NOT_SERVED = "not-served"  # to a destination this relay does not serve
    NEWCOMER_LIMIT = "newcomer-limit"  # too many new clients for one native network, or in all
    TABLE_FULL = "table-full"
    # Packets from this host.
    SCOPE = "scope"  # multicast and link-local destinations
    SOURCE = "source"
    TOO_BIG = "too-big"
    DESTINATION = "destination"  # an address nothing may be sent to
    UNREACHABLE = "unreachable"
    QUEUE_FULL = "queue-full"
    # What we would have sent ourselves.
    BUBBLE_LIMIT = "bubble-limit"
    ECHO_LIMIT = "echo-limit"


class Refused(WireError):  # noqa: N818  # reads as what happened: `except Refused`
    """A peer's bytes that are dropped for a reason worth counting by itself."""

    def __init__(self, drop: Drop) -> None:
        super().__init__(drop.value)
        self.drop = drop


@contextmanager
def counted_by(outbox: Outbox) -> Iterator[None]:
    """Count what is refused within by its reason, and any other WireError as malformed."""
    try:
        yield
    except Refused as refused:
        outbox.drop(refused.drop)
    except WireError:
        outbox.drop(Drop.MALFORMED)
