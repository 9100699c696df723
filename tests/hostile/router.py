"""What home's own router may say that it should not: NAT-PMP, PCP and UPnP.

At first each question is answered with lies that nobody can read as an answer and the truth behind them; later with what can
be read and is not to be believed.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import cycle
from random import Random

from tests.hostile.mutations import mutated
from tests.hostile.peer import Answers, Peer
from tests.hostile.ports import PORT_CONTROL, SSDP
from tunnelmgr.api.network import Endpoint
from tunnelmgr.api.packets.port_control import AnnounceResponse, ExternalAddressResponse, NatPmpResult, PcpResult

OUTSIDE = IPv4Address("203.0.113.1")
_FOUND = b"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
_NOWHERE = ("127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "169.254.1.1", "192.168.1.2")  # noqa: S104


def peers(random: Random) -> dict[int, Peer]:
    """Return what each port says."""
    nat_pmp, pcp, upnp = _nat_pmp(random), _pcp(random), _upnp(random)

    def port_control(question: bytes, asker: Endpoint) -> Answers:
        return [(one, asker) for one in next(pcp if question[:1] == b"\2" else nat_pmp)]

    return {PORT_CONTROL: port_control, SSDP: lambda _, asker: [(one, asker) for one in next(upnp)]}


def _nat_pmp(random: Random) -> Iterator[list[bytes]]:
    truth = ExternalAddressResponse(NatPmpResult.SUCCESS, 7, OUTSIDE).serialize()
    lies = [
        truth[:11],
        truth + b"\0",
        b"\2" + truth[1:],
        b"\0\0" + truth[2:],
        b"",
        b"\0\x81" + truth[2:],
        b"\0\x80\1\0" + truth[4:],
    ]
    yield [*lies, truth]
    claims = [ExternalAddressResponse(NatPmpResult.SUCCESS, 2**32 - 1, IPv4Address(one)) for one in _NOWHERE]
    claims += [ExternalAddressResponse(result, 0, OUTSIDE) for result in NatPmpResult if result is not NatPmpResult.SUCCESS]
    yield from ([said.serialize(), mutated(truth, random)] for said in cycle(claims))


def _pcp(random: Random) -> Iterator[list[bytes]]:
    truth = AnnounceResponse(PcpResult.SUCCESS, 0, 7).serialize()
    lies = [truth[:20], truth + b"\0", b"\1" + truth[1:], b"\2\0" + truth[2:], b"\2\x81" + truth[2:], truth + bytes(1100)]
    yield [*lies, truth]
    claims = [AnnounceResponse(result, 2**32 - 1, 0).serialize() for result in PcpResult]
    yield from ([said, mutated(truth, random)] for said in cycle(claims))


def _upnp(random: Random) -> Iterator[list[bytes]]:
    lies = [
        _FOUND.replace(b"200", b"500"),
        _FOUND.replace(b"ST:", b"USN:"),
        _FOUND.replace(b":1\r", b":99999999999999999999\r"),
        _FOUND.replace(b":1\r", b":\x1b[2J\r"),
        b"NOTIFY * HTTP/1.1\r\n" + _FOUND.partition(b"\n")[2],
    ]
    yield [*lies, _FOUND]
    evil = _FOUND.replace(b"\r\n\r\n", b"\r\nLOCATION: http://127.0.0.1/$(reboot)\r\nSERVER: \x1b]0;owned\x07\r\n\r\n")
    while True:
        yield [evil]
        yield [mutated(evil, random)]
