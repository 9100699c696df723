"""Sees packets of an interface as they pass (packet(7)), without being in their way: the kernel makes copies.

What a slow reader cannot take is lost to it, not to the tunnel, and counted.
"""

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tunnelmgr.host.linux.packet_filter import Instruction, attach

PACKET_BYTES_MAX: Final = 65_536 + 1024  # copied of one packet; segmentation offload hands over 64 KiB at once
BUFFER_SIZE: Final = 4 * 1024 * 1024  # bytes that may wait for the reader

# linux/if_ether.h, asm-generic/socket.h, linux/if_packet.h
_ETH_P_ALL: Final = 3  # the only one that sees what leaves
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS: Final = 35
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_READ_AT_ONCE: Final = 256  # packets, so that a flood on one socket does not starve the others


class SeenPacket(NamedTuple):
    """One packet, from its network header on."""

    at: float
    """Seconds since 1970."""
    data: bytes
    length: int
    """Before it was cut to PACKET_BYTES_MAX."""


class PacketSocket:
    """Copies of what passes one interface, both ways. To be closed."""

    def __init__(self, interface: str, program: Sequence[Instruction] = ()) -> None:
        """Begin with what `program` accepts, everything without one. Raises OSError, PermissionError without CAP_NET_RAW."""
        # Of no protocol until it is bound: nothing may arrive before the filter is in place.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            with contextlib.suppress(PermissionError):  # in a user namespace: as much as the host allows
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_SIZE)
            attach(self._socket, program)
            self._socket.bind((interface, _ETH_P_ALL))
        except OSError:
            self._socket.close()
            raise
        self._buffer = bytearray(PACKET_BYTES_MAX)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._socket.fileno()

    def close(self) -> None:
        """See no more."""
        self._socket.close()

    def read(self) -> Iterator[SeenPacket]:
        """Yield what waits, up to a bound. Raises OSError when the interface is down or gone."""
        for _ in range(_READ_AT_ONCE):
            try:
                length, ancillary, _, _ = self._socket.recvmsg_into([self._buffer], 128, socket.MSG_TRUNC)
            except BlockingIOError:
                return
            yield SeenPacket(_time(ancillary), bytes(self._buffer[:length]), length)

    def lost(self) -> int:
        """Return how many packets were lost for want of a faster reader, since the last call."""
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("=II", statistics)[1])


def _time(ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("@ll", value[: struct.calcsize("@ll")])
            return float(seconds + nanoseconds * 1e-9)
    return 0.0
