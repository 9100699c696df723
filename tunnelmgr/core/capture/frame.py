"""What a capture consists of: a stream of bytes that knows its place, and frames with IP packets in them."""

import struct
from enum import IntEnum
from typing import BinaryIO, NamedTuple, NoReturn

from tunnelmgr.api.errors import TunnelError, WireError

FRAME_BYTES_MAX = 262_144
"""Of one frame, as in tcpdump and Wireshark: a file that says more is damaged."""

ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
_PPPOE_DISCOVERY, _PPPOE_SESSION = 0x8863, 0x8864  # RFC 2516
_PPP_PROTOCOLS = {0x0021, 0x0057}  # IPv4 (RFC 1332) and IPv6 (RFC 5072)
_VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_LENGTH_MAX = 1500  # IEEE 802.3: up to there an Ethernet type is a length
_VLAN_TAGS_MAX = 4


class LinkType(IntEnum):
    """How a frame begins, as https://www.tcpdump.org/linktypes.html numbers it."""

    NULL = 0
    ETHERNET = 1
    PPP = 9
    RAW_OPENBSD = 12
    RAW_BSDOS = 14
    PPP_HDLC = 50
    PPP_ETHER = 51
    RAW = 101
    CISCO_HDLC = 104
    LOOP = 108
    LINUX_COOKED = 113
    PPP_PPPD = 166
    PPP_WITH_DIRECTION = 204
    IPV4 = 228
    IPV6 = 229
    LINUX_COOKED_2 = 276


_UNREAD = {
    107: "Frame Relay",
    105: "IEEE 802.11",
    127: "IEEE 802.11 with radiotap",
    192: "PPI",
    220: "USB",
    239: "NFLOG",
    253: "netlink",
}


class CaptureSource:
    """A capture file, read forward only, so that it may be a pipe. A failure names the place reached."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.offset = 0
        """Bytes read."""

    def take(self, size: int, what: str) -> bytes:
        """Return the next `size` bytes. Raises TunnelError when there are fewer."""
        data = self._stream.read(size)
        if len(data) < size:
            self.fail(f"it ends within {what}: {len(data)} of {size} bytes are there", "it was cut short")
        self.offset += size
        return data

    def take_or_end(self, size: int, what: str) -> bytes:
        """Return the next `size` bytes, nothing at the end of the file. Raises TunnelError for anything between."""
        data = self._stream.read(1)
        if not data:
            return b""
        self.offset += 1
        return data + self.take(size - 1, what)

    def fail(self, what: str, hint: str = "the file is damaged, or not of this format") -> NoReturn:
        """Raise TunnelError about the place reached."""
        raise TunnelError(f"{self._name}, byte {self.offset}: {what}", hint=hint)


class Frame(NamedTuple):
    """What was captured."""

    number: int
    """From 1, as other programs count."""
    at: float | None
    """Seconds since 1970; None when the file does not say."""
    link_type: int
    """A LinkType, if we know it."""
    data: bytes
    length: int
    """In bytes, before the capture cut it."""
    interface: str = ""
    """Its name where the file tells one."""


def ip_packet(frame: Frame) -> bytes:
    """Return the IPv4 or IPv6 packet in a frame, padding behind it included. Raises WireError when there is none."""
    data, link_type = frame.data, frame.link_type
    match link_type:
        case LinkType.ETHERNET:
            return _by_ethertype(data, 12)
        case LinkType.LINUX_COOKED:
            return _by_ethertype(data, 14)
        case LinkType.LINUX_COOKED_2:
            return _without_cooked_2(data)
        case LinkType.RAW | LinkType.RAW_OPENBSD | LinkType.RAW_BSDOS | LinkType.IPV4 | LinkType.IPV6:
            return _some(data)
        case LinkType.NULL | LinkType.LOOP:
            return _some(data[4:])
        case LinkType.CISCO_HDLC:
            return _by_ethertype(data, 2)
        case LinkType.PPP | LinkType.PPP_HDLC:
            return _in_ppp(data)
        case LinkType.PPP_PPPD | LinkType.PPP_WITH_DIRECTION:
            return _in_ppp(data[1:])
        case LinkType.PPP_ETHER:
            return _in_ppp(data[6:])
        case _:
            name = f" ({_UNREAD[link_type]})" if link_type in _UNREAD else ""
            raise WireError(f"link type {link_type}{name}, which this program does not read")


def _by_ethertype(data: bytes, at: int) -> bytes:
    for _ in range(_VLAN_TAGS_MAX + 1):
        if at + 2 > len(data):
            raise WireError(f"frame of {len(data)} bytes, too short for its header")
        (ethertype,) = struct.unpack_from("!H", data, at)
        if ethertype not in _VLAN_TAGS:
            return _of(ethertype, data[at + 2 :])
        at += 4
    raise WireError(f"more than {_VLAN_TAGS_MAX} VLAN tags")


def _without_cooked_2(data: bytes) -> bytes:
    if len(data) < 20:
        raise WireError(f"frame of {len(data)} bytes, too short for its header")
    return _by_ethertype(data[:2] + data[20:], 0)


def _in_ppp(data: bytes) -> bytes:
    """Return what a PPP frame holds: its address and control bytes may be left out, and the protocol's first (RFC 1661)."""
    data = data.removeprefix(b"\xff\x03")
    size = 1 if data[:1] and data[0] & 1 else 2
    if len(data) < size:
        raise WireError(f"PPP frame of {len(data)} bytes, too short for its header")
    protocol = int.from_bytes(data[:size], "big")
    if protocol not in _PPP_PROTOCOLS:
        raise WireError(f"PPP protocol {protocol:#06x}, not IP")
    return _some(data[size:])


def _of(ethertype: int, data: bytes) -> bytes:
    if ethertype == _PPPOE_SESSION:
        return _in_ppp(data[6:])
    if ethertype == _PPPOE_DISCOVERY:
        raise WireError("PPPoE discovery, not IP")
    if ethertype <= _LENGTH_MAX:
        raise WireError("IEEE 802.3 with LLC, not IP")
    if ethertype not in {ETHERTYPE_IPV4, ETHERTYPE_IPV6}:
        raise WireError("ARP, not IP" if ethertype == 0x0806 else f"Ethernet type {ethertype:#06x}, not IP")
    return _some(data)


def _some(data: bytes) -> bytes:
    if not data or data[0] >> 4 not in {4, 6}:
        raise WireError(f"not an IP packet: {data[:4].hex() or 'nothing'}")
    return data
