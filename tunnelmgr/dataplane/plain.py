"""The plain data path: one packet a system call, some packets a wake-up.

It reads the TUN device and the channels, carries what the forwarding table authorises, and hands the rest back: packets and
datagrams for the Tunnel. It also sends and delivers what the Tunnel itself says. The driver uses the public methods alone,
so that a path which carries in the kernel can stand in its place, and must agree with it packet for packet.
"""

import contextlib
import os
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from errno import EAGAIN, ENOBUFS, ENODEV
from functools import lru_cache, partial
from ipaddress import IPv4Address
from typing import Final, TypeVar

from tunnelmgr.api.datagrams import ChannelEvent, ChannelFailed, ChannelKind, Datagram
from tunnelmgr.api.network import Endpoint
from tunnelmgr.dataplane.table import ForwardingTable, RawEndpoint, ecn_is_plain

_BATCH: Final = 64  # packets taken from one descriptor at once: a burst is done soon, and the others are not kept waiting
_DATAGRAM_MAX: Final = 65535  # bytes; no IPv4 datagram is larger
_IP_PKTINFO: Final = 8  # linux/in.h; the socket module has no name for it before Python 3.14
_PKTINFO: Final = struct.Struct("=I4s4s")  # struct in_pktinfo: interface index, local address, destination address
_FULL: Final = {EAGAIN, ENOBUFS}
_Ancillary = Sequence[tuple[int, int, bytes]]
_ANCILLARY_MAX: Final = socket.CMSG_SPACE(_PKTINFO.size)

T = TypeVar("T")


class PlainPath:
    """Carries raw bytes between one TUN device and the datagram channels of one tunnel."""

    def __init__(self, table: ForwardingTable) -> None:
        self._table = table
        self._device: int | None = None
        self._sockets: dict[str, socket.socket] = {}
        self._kinds: dict[str, ChannelKind] = {}
        self._local: dict[str, Endpoint] = {}
        self._failures: dict[tuple[str, int], ChannelFailed] = {}
        self._dropped: Counter[str] = Counter()

    def attach_device(self, descriptor: int | None) -> None:
        """Use this non-blocking TUN descriptor, None for none. The caller owns it."""
        self._device = descriptor

    def attach_channel(self, name: str, kind: ChannelKind, sock: socket.socket) -> None:
        """Use this non-blocking datagram socket. The caller owns it."""
        self._sockets[name] = sock
        self._kinds[name] = kind
        address, port = sock.getsockname()[:2]
        self._local[name] = Endpoint(IPv4Address(address), 0 if kind is ChannelKind.RAW41 else port)

    def detach_channel(self, name: str) -> None:
        """Forget a channel, before it is closed."""
        for known in (self._sockets, self._kinds, self._local):
            known.pop(name, None)

    def read_device(self, now: float) -> list[bytes]:
        """Carry what waits in the TUN device; return the packets for the Tunnel. Raises OSError when the device is gone."""
        for_tunnel = []
        device, outward, send, sockets = self._device, self._table.outward, self._send, self._sockets
        if device is None:
            return []
        for _ in range(_BATCH):
            try:
                packet = os.read(device, _DATAGRAM_MAX)
            except BlockingIOError:
                break
            if not packet:  # a TUN device has no empty packets: this is the end of what stands in for one
                raise OSError(ENODEV, os.strerror(ENODEV))
            if (path := outward(packet, now)) is None:
                for_tunnel.append(packet)
            elif path.marks:
                send(path.channel, packet, path.remote, _tos(path.outer_tos(packet)))
            else:
                try:
                    sockets[path.channel].sendto(packet, path.remote)
                except (OSError, KeyError):
                    send(path.channel, packet, path.remote)  # again: see there why the first error may be another packet's
        return for_tunnel

    def read_channel(self, name: str, now: float) -> list[Datagram]:
        """Carry what waits on a channel; return the datagrams for the Tunnel.

        Raises OSError when the channel reports an error, BlockingIOError when there was nothing to read: then the socket
        woke us for its error queue. Reading may go on after either.
        """
        match self._kinds[name]:
            case ChannelKind.MULTICAST:
                return self._read_multicast(name)
            case ChannelKind.RAW41:
                return self._read_raw41(name, now)
            case _:
                return self._read_udp(name, now)

    def _read_udp(self, name: str, now: float) -> list[Datagram]:
        for_tunnel = []
        receive, inward, device = self._sockets[name].recvfrom, self._table.inward, self._device
        for count in range(_BATCH):
            try:
                data, remote = receive(_DATAGRAM_MAX)
            except BlockingIOError:
                if not count:
                    raise
                break
            if inward(name, data, remote, now) is None:
                for_tunnel.append(Datagram(name, data, _endpoint(remote), self._local[name]))
            elif device is None:
                self._write(data)
            else:
                try:
                    os.write(device, data)
                except OSError:
                    self._write(data)  # again, and a failure is counted
        return for_tunnel

    def _read_raw41(self, name: str, now: float) -> list[Datagram]:
        """As for UDP, with the outer header that raw sockets leave in front (raw(7)).

        A congestion mark that no router makes is for the Tunnel to judge (RFC 6040 section 4.2).
        """
        for_tunnel = []
        for packet, remote in _batch(partial(self._sockets[name].recvfrom, _DATAGRAM_MAX)):
            data, tos = packet[(packet[0] & 0x0F) * 4 :], packet[1]
            path = self._table.inward(name, data, (remote[0], 0), now) if ecn_is_plain(data, tos) else None
            if path is not None:
                self._write(path.marked(data, tos))
            else:
                local = Endpoint(IPv4Address(packet[16:20]), 0)
                remote_endpoint = Endpoint(IPv4Address(remote[0]), 0)
                for_tunnel.append(Datagram(name, data, remote_endpoint, local, tos=packet[1], ttl=packet[8]))
        return for_tunnel

    def _read_multicast(self, name: str) -> list[Datagram]:
        """Return all datagrams: none to a group is on a path. Each tells its interface and the group it was sent to."""
        for_tunnel = []
        receive = partial(self._sockets[name].recvmsg, _DATAGRAM_MAX, _ANCILLARY_MAX)
        for data, ancillary, _, remote in _batch(receive):
            for level, kind, value in ancillary:
                if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                    index, _, destination = _PKTINFO.unpack(value)
                    local = Endpoint(IPv4Address(destination), self._local[name].port)
                    with contextlib.suppress(OSError):  # the interface vanished: there is nobody to answer
                        for_tunnel.append(Datagram(name, data, _endpoint(remote), local, socket.if_indextoname(index)))
        return for_tunnel

    def send(self, datagrams: Sequence[Datagram]) -> None:
        """Send what the Tunnel says on datagram channels."""
        for datagram in datagrams:
            remote = (str(datagram.remote.address), datagram.remote.port)
            try:
                ancillary = _ancillary(datagram)
            except OSError as error:  # the interface is gone
                self._failed(datagram.channel, remote, error)
            else:
                self._send(datagram.channel, datagram.data, remote, ancillary)

    def deliver(self, packets: Sequence[bytes]) -> None:
        """Write packets of the Tunnel to the TUN device."""
        for packet in packets:
            self._write(packet)

    def failures(self) -> list[ChannelEvent]:
        """Drain the send failures since the last call, one an error number and channel at most."""
        failures: list[ChannelEvent] = list(self._failures.values())
        self._failures.clear()
        return failures

    def count_drop(self, reason: str) -> None:
        """Count a packet that was lost on its way past this path."""
        self._dropped[reason] += 1

    def counters(self) -> Mapping[str, int]:
        """Return how many packets were dropped since the beginning, by reason: `dropped-<reason>`."""
        return dict(self._dropped)

    def _send(self, channel: str, data: bytes, remote: RawEndpoint, ancillary: _Ancillary = ()) -> None:
        if (sock := self._sockets.get(channel)) is None:
            self._dropped["dropped-no-channel"] += 1
            return
        # The next send reports a waiting ICMP error, even to another peer: only a second error is about this datagram.
        for _ in range(2):
            try:
                if ancillary:
                    sock.sendmsg([data], ancillary, 0, remote)
                else:
                    sock.sendto(data, remote)
            except OSError as error:
                failure = error
            else:
                return
        self._failed(channel, remote, failure)

    def _failed(self, channel: str, remote: RawEndpoint, failure: OSError) -> None:
        if failure.errno in _FULL:  # congestion of this host, as a router drops too: no news for the Tunnel
            self._dropped["dropped-send-buffer-full"] += 1
            return
        self._dropped["dropped-send-failed"] += 1
        number = failure.errno or 0
        self._failures[channel, number] = ChannelFailed(channel, number, _endpoint(remote))

    def _write(self, packet: bytes) -> None:
        if self._device is None:
            self._dropped["dropped-no-device"] += 1
            return
        try:
            os.write(self._device, packet)
        except OSError:  # EINVAL: not IPv6; EIO: the device is down; ENOBUFS: its queue is full
            self._dropped["dropped-device-write"] += 1


def _batch(receive: Callable[[], T]) -> Iterator[T]:
    """Yield what a socket has, for some packets. Raises BlockingIOError if there is nothing, as `read_channel` does."""
    for count in range(_BATCH):
        try:
            received = receive()
        except BlockingIOError:
            if not count:
                raise
            return
        yield received


def _endpoint(remote: RawEndpoint) -> Endpoint:
    return Endpoint(IPv4Address(remote[0]), remote[1])


@lru_cache(maxsize=256)
def _tos(value: int) -> _Ancillary:
    return ((socket.IPPROTO_IP, socket.IP_TOS, value.to_bytes(1, "big")),)


def _ancillary(datagram: Datagram) -> _Ancillary:
    """Return the control messages for what a datagram asks beyond its channel's defaults (ip(7))."""
    messages: list[tuple[int, int, bytes]] = []
    if datagram.tos:
        messages += _tos(datagram.tos)
    if datagram.ttl is not None:
        messages.append((socket.IPPROTO_IP, socket.IP_TTL, datagram.ttl.to_bytes(4, sys.byteorder)))
    if datagram.local is not None or datagram.interface is not None:
        index = socket.if_nametoindex(datagram.interface) if datagram.interface is not None else 0
        source = datagram.local.address.packed if datagram.local is not None else bytes(4)
        messages.append((socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO.pack(index, source, bytes(4))))
    return messages
