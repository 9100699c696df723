"""What clients say to a broker at its desk."""

from ipaddress import IPv4Address

from tests.tsp_world.broker_desk import CLIENT, BrokerDesk

from tunnelmgr.api.network import Endpoint
from tunnelmgr_tsp.wire.capability import TunnelType
from tunnelmgr_tsp.wire.digest import DigestChallenge
from tunnelmgr_tsp.wire.messages import Action, BareRequest, Create

VERSION, ANONYMOUS = b"VERSION=2.0.0\r\n", b"AUTHENTICATE ANONYMOUS\r\n"
ACCEPT = BareRequest(Action.ACCEPT).serialize()
OURS = IPv4Address("10.1.1.2")
"""What a client behind a NAT takes for its address."""


def create(tunnel: TunnelType = TunnelType.V6UDPV4, address: IPv4Address = OURS, **wishes: object) -> bytes:
    return Create(tunnel, address, 30, **wishes).serialize()  # type: ignore[arg-type]  # a test's own words


def log_in(desk: BrokerDesk, remote: Endpoint = CLIENT) -> None:
    """Begin an anonymous session; the next sequence number is 242."""
    desk.say(VERSION, 240, remote)
    assert desk.say(ANONYMOUS, 241, remote) == [b"200 Success\r\n"]


def challenged(desk: BrokerDesk, remote: Endpoint = CLIENT) -> DigestChallenge:
    """Begin a session with DIGEST-MD5; return the challenge. The next sequence number is 242."""
    desk.say(VERSION, 240, remote)
    (line,) = desk.say(b"AUTHENTICATE DIGEST-MD5\r\n", 241, remote)
    return DigestChallenge.parse(line)


def set_up(desk: BrokerDesk, remote: Endpoint = CLIENT) -> bytes:
    """Go through a whole anonymous session; return the answer to create."""
    log_in(desk, remote)
    (offer,) = desk.say(create(), 242, remote)
    assert desk.say(ACCEPT, 243, remote) == [b""]
    return offer
