"""Tells the kernel which packets of an interface are a tunnel's, so that it copies no others: a classic BPF program.

The kernel's own documentation is networking/filter.txt. The program is for packet sockets of type SOCK_DGRAM, which begin
with the network header. Left out are later fragments of UDP datagrams, which bear no ports.
"""

import contextlib
import ctypes
import socket
import struct
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from tunnelmgr.api.packets.protocol import IpProtocol

ENDS_MAX: Final = 64
"""Ends in one filter: keeps the program below the 4096 instructions the kernel takes."""

# linux/bpf_common.h and linux/filter.h
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30  # from an absolute offset
_FROM_X: Final = 0x20  # added to these: from an offset behind X
_HEADER_LENGTH_TO_X: Final = 0xB1
_JUMP, _JUMP_IF_EQUAL, _JUMP_IF_ANY, _RETURN = 0x05, 0x15, 0x45, 0x06
_PROTOCOL: Final = 0xFFFF_F000  # SKF_AD_OFF + SKF_AD_PROTOCOL: the ethertype
_PACKET_TYPE: Final = 0xFFFF_F004  # SKF_AD_OFF + SKF_AD_PKTTYPE
_OUTGOING: Final = 4  # PACKET_OUTGOING of linux/if_packet.h
_IPV4: Final = 0x0800

# Offsets in an IPv4 header, and behind it.
_FRAGMENT, _PROTOCOL_FIELD, _SOURCE, _DESTINATION = 6, 9, 12, 16
_SOURCE_PORT, _DESTINATION_PORT = 0, 2
_QUOTE: Final = 8  # in an ICMPv4 error: where the packet it is about begins
_QUOTED_PORT: Final = _QUOTE + 20 + _SOURCE_PORT  # none of our packets has options
_IPV6_HEADER, _NEXT_HEADER = 40, 6
_ICMPV6, _ECHO_REPLY = 58, 129
_EVERYTHING: Final = 0xFFFF_FFFF
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # asm-generic/socket.h
_ICMP_ERRORS: Final = (3, 11, 12)  # unreachable, time exceeded, parameter problem: RFC 792


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    if_true: int
    if_false: int
    operand: int


class OuterEnd(NamedTuple):
    """One end of a tunnel's datagrams on this host. None and 0 mean any."""

    protocol: IpProtocol
    """UDP or IPV6."""
    address: IPv4Address | None = None
    port: int = 0
    remote: IPv4Address | None = None


Program = tuple[Instruction, ...]
_Matcher = Callable[[OuterEnd], Program]


def packets_of(ends: Sequence[OuterEnd], length: int) -> Program:
    """Return the filter for what comes from or goes to these ends, and ICMPv4 errors about it; `length` bytes of each."""
    accept = (Instruction(_RETURN, 0, 0, length),)
    udp = [end for end in ends[:ENDS_MAX] if end.protocol is IpProtocol.UDP]
    raw = [end for end in ends[:ENDS_MAX] if end.protocol is IpProtocol.IPV6]
    program = (
        *_when(_byte(_PROTOCOL_FIELD), IpProtocol.UDP, _unfragmented(_either_way(udp, accept))),
        *_when(_byte(_PROTOCOL_FIELD), IpProtocol.IPV6, _either_way(raw, accept)),
        *_when(_byte(_PROTOCOL_FIELD), IpProtocol.ICMPV4, _unfragmented(_errors_about(udp, raw, accept))),
    )
    x = Instruction(_HEADER_LENGTH_TO_X, 0, 0, 0)
    return (*_when(Instruction(_LOAD_WORD, 0, 0, _PROTOCOL), _IPV4, (x, *program)), Instruction(_RETURN, 0, 0, 0))


def not_carried_from(remote: IPv4Address) -> Program:
    """Return the filter for a raw socket of protocol 41 beside a kernel tunnel to `remote`: what the Tunnel must see.

    That is what others send, and echo replies of the far side, some of which answer the Tunnel itself. Raw sockets see the
    IPv4 header (raw(7)).
    """
    accept, refuse = Instruction(_RETURN, 0, 0, _EVERYTHING), Instruction(_RETURN, 0, 0, 0)
    x = Instruction(_HEADER_LENGTH_TO_X, 0, 0, 0)
    echo_reply = _when(_byte_behind(_IPV6_HEADER), _ECHO_REPLY, (accept,))
    from_remote = (x, *_when(_byte_behind(_NEXT_HEADER), _ICMPV6, echo_reply), refuse)
    return (*_when(_word(_SOURCE), int(remote), from_remote), accept)


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Let a socket take only what a program accepts; none takes a former program away. Raises OSError."""
    if not program:
        with contextlib.suppress(FileNotFoundError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        return
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    wanted = struct.pack("@HP", len(program), ctypes.addressof(instructions))  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, wanted)


def _either_way(ends: Sequence[OuterEnd], accept: Program) -> Program:
    """Accept what leaves by its source and what arrives by its destination."""
    direction = Instruction(_LOAD_WORD, 0, 0, _PACKET_TYPE)
    leaving = _any(ends, accept, _word(_SOURCE), _word(_DESTINATION), _half_behind(_SOURCE_PORT))
    arriving = _any(ends, accept, _word(_DESTINATION), _word(_SOURCE), _half_behind(_DESTINATION_PORT))
    return (*_when(direction, _OUTGOING, leaving), *_unless(direction, _OUTGOING, arriving))


def _errors_about(udp: Sequence[OuterEnd], raw: Sequence[OuterEnd], accept: Program) -> Program:
    """Accept errors that quote a packet of ours."""
    source, destination = _word_behind(_QUOTE + _SOURCE), _word_behind(_QUOTE + _DESTINATION)
    protocol, port = _byte_behind(_QUOTE + _PROTOCOL_FIELD), _half_behind(_QUOTED_PORT)
    ours = (
        *_when(protocol, IpProtocol.UDP, _any(udp, accept, source, destination, port)),
        *_when(protocol, IpProtocol.IPV6, _any(raw, accept, source, destination, port)),
    )
    return tuple(step for kind in _ICMP_ERRORS for step in _when(_byte_behind(0), kind, ours))


def _any(ends: Sequence[OuterEnd], accept: Program, local: Instruction, remote: Instruction, port: Instruction) -> Program:
    """Accept what one of the ends matches; the instructions load what is compared."""
    program: Program = ()
    for end in ends:
        body = _when(port, end.port, accept) if end.port else accept
        body = _when(local, int(end.address), body) if end.address else body
        program += _when(remote, int(end.remote), body) if end.remote else body
    return program


def _unfragmented(body: Program) -> Program:
    later = Instruction(_LOAD_HALF, 0, 0, _FRAGMENT)
    return (later, Instruction(_JUMP_IF_ANY, 0, 1, 0x1FFF), _over(body), *body)


def _when(load: Instruction, value: int, body: Program) -> Program:
    return (load, Instruction(_JUMP_IF_EQUAL, 1, 0, value), _over(body), *body)


def _unless(load: Instruction, value: int, body: Program) -> Program:
    return (load, Instruction(_JUMP_IF_EQUAL, 0, 1, value), _over(body), *body)


def _over(body: Program) -> Instruction:
    # A jump of its own: conditional ones reach 255 instructions.
    return Instruction(_JUMP, 0, 0, len(body))


def _word(offset: int) -> Instruction:
    return Instruction(_LOAD_WORD, 0, 0, offset)


def _byte(offset: int) -> Instruction:
    return Instruction(_LOAD_BYTE, 0, 0, offset)


def _word_behind(offset: int) -> Instruction:
    return Instruction(_LOAD_WORD + _FROM_X, 0, 0, offset)


def _half_behind(offset: int) -> Instruction:
    return Instruction(_LOAD_HALF + _FROM_X, 0, 0, offset)


def _byte_behind(offset: int) -> Instruction:
    return Instruction(_LOAD_BYTE + _FROM_X, 0, 0, offset)
