"""The sockets behind channels: opened, read and closed on the asyncio loop on behalf of one Tunnel."""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Address
from typing import Final

from tunnelmgr.api.datagrams import (
    Accepted,
    ChannelEvent,
    ChannelFailed,
    ChannelKind,
    Closed,
    Connected,
    Datagram,
    IcmpReceived,
)
from tunnelmgr.api.effects import OpenChannel
from tunnelmgr.api.network import Endpoint
from tunnelmgr.core.driving.streams import WAITING_MAX, Acceptor, Stream
from tunnelmgr.core.driving.traffic import OuterSocket
from tunnelmgr.dataplane.plain import PlainPath
from tunnelmgr.host.linux.packet_filter import Program, attach

BUFFER_SIZE: Final = 4 * 1024 * 1024
"""Bytes of receive and send buffer per datagram socket. Nearly all of Miredo's loss is receive-buffer overflow."""

# linux/in.h and linux/errqueue.h; the socket module has no names for these before Python 3.14.
_IP_MTU_DISCOVER: Final = 10
_IP_PMTUDISC_DONT: Final = 0
_IP_PMTUDISC_DO: Final = 2
_IP_PKTINFO: Final = 8
_IP_RECVERR: Final = 11
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
_EXTENDED_ERROR: Final = struct.Struct("=IBBBBII")  # struct sock_extended_err
_ORIGIN_LOCAL: Final = 1
_ORIGIN_ICMP: Final = 2
_FRAGMENTATION_NEEDED: Final = (3, 4)  # ICMPv4 type and code

DATAGRAM_KINDS: Final = {ChannelKind.UDP, ChannelKind.RAW41, ChannelKind.MULTICAST}


class Channels:
    """The open channels of one Tunnel. Datagram sockets are read by the data path, TCP streams here."""

    def __init__(
        self,
        datapath: PlainPath,
        *,
        received: Callable[[list[Datagram]], None],
        changed: Callable[[ChannelEvent], None],
    ) -> None:
        self._datapath = datapath
        self._received = received
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[str, socket.socket] = {}
        self._streams: dict[str, Stream] = {}
        self._listeners: dict[str, Acceptor] = {}
        self._connecting: dict[str, asyncio.Task[None]] = {}

    def open_datagram(self, wish: OpenChannel) -> Endpoint:
        """Open a channel of datagrams and return its local endpoint. Raises OSError, also when it is open already."""
        self._require_free(wish.channel)
        sock = _datagram_socket(wish)
        self._sockets[wish.channel] = sock
        self._datapath.attach_channel(wish.channel, wish.kind, sock)
        self._loop.add_reader(sock, self._read, wish.channel)
        address, port = sock.getsockname()[:2]
        return Endpoint(IPv4Address(address), 0 if wish.kind is ChannelKind.RAW41 else port)

    def open_stream(self, wish: OpenChannel) -> Endpoint:
        """Listen for TCP, or begin to connect; return the local endpoint. Raises OSError as `open_datagram` does."""
        self._require_free(wish.channel)
        if wish.kind is ChannelKind.TCP_LISTEN:
            return self._listen(wish)
        self._connecting[wish.channel] = self._loop.create_task(self._connect(wish))
        return wish.local

    def _require_free(self, channel: str) -> None:
        if channel in self:
            raise OSError(errno.EALREADY, f"channel {channel} is open already")

    def __contains__(self, channel: str) -> bool:
        return any(channel in known for known in (self._sockets, self._streams, self._listeners, self._connecting))

    def outer_sockets(self) -> tuple[OuterSocket, ...]:
        """Return the sockets of datagrams that are open."""
        return tuple(map(_described, self._sockets.values()))

    def hear_only(self, channels: Collection[str], program: Program) -> None:
        """Let the sockets of these channels take what a program accepts, and all others everything."""
        for channel, sock in self._sockets.items():
            attach(sock, program if channel in channels else ())

    def close(self, channel: str) -> None:
        """Close a channel; one that is not open is no failure."""
        if sock := self._sockets.pop(channel, None):
            self._loop.remove_reader(sock)
            self._datapath.detach_channel(channel)
            sock.close()
        if stream := self._streams.pop(channel, None):
            stream.close()
        if listener := self._listeners.pop(channel, None):
            listener.close()
        if task := self._connecting.pop(channel, None):
            task.cancel()

    def close_all(self) -> None:
        """Close every channel."""
        for channel in [*self._sockets, *self._streams, *self._listeners, *self._connecting]:
            self.close(channel)

    def send(self, datagrams: Iterable[Datagram]) -> None:
        """Send on whatever kind of channel each datagram names."""
        for_datapath = []
        for datagram in datagrams:
            if (stream := self._streams.get(datagram.channel)) is not None:
                if not stream.write(datagram.data):
                    self._datapath.count_drop("dropped-send-buffer-full")
            else:
                for_datapath.append(datagram)
        self._datapath.send(for_datapath)

    def _read(self, channel: str) -> None:
        try:
            datagrams = self._datapath.read_channel(channel, self._loop.time())
        except OSError as error:
            self._report(channel, error)
            return
        if datagrams:
            self._received(datagrams)

    def _report(self, channel: str, error: OSError) -> None:
        """An error readable on a datagram socket is an ICMP error to one of our datagrams, or the link going away."""
        found = False
        while event := _queued_error(channel, self._sockets[channel]):
            found = True
            self._changed(event)
            if channel not in self._sockets:
                return
        if not found and not isinstance(error, BlockingIOError):
            self._changed(ChannelFailed(channel, error.errno or 0))

    def _listen(self, wish: OpenChannel) -> Endpoint:
        numbers = iter(range(1, 2**63))
        listening = socket.create_server((str(wish.local.address), wish.local.port), backlog=WAITING_MAX)

        def accepted(connection: socket.socket, remote: tuple[str, int]) -> None:
            channel = f"{wish.channel}/{next(numbers)}"
            self._begin(channel, connection, _endpoint(remote))
            self._changed(Accepted(wish.channel, channel, _endpoint(remote)))

        self._listeners[wish.channel] = Acceptor(listening, accepted)
        return _endpoint(listening.getsockname())

    async def _connect(self, wish: OpenChannel) -> None:
        if wish.remote is None:
            raise ValueError(f"channel {wish.channel}: tcp-connect needs a remote endpoint")
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            if wish.local.port or int(wish.local.address):
                connection.bind((str(wish.local.address), wish.local.port))
            await self._loop.sock_connect(connection, (str(wish.remote.address), wish.remote.port))
            local = _endpoint(connection.getsockname())
        except asyncio.CancelledError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            self._connecting.pop(wish.channel, None)
            self._changed(ChannelFailed(wish.channel, error.errno or 0, wish.remote))
            return
        self._connecting.pop(wish.channel, None)
        self._begin(wish.channel, connection, wish.remote)
        self._changed(Connected(wish.channel, local, wish.remote))

    def _begin(self, channel: str, connection: socket.socket, remote: Endpoint) -> None:
        local = _endpoint(connection.getsockname())

        def received(data: bytes) -> None:
            self._received([Datagram(channel, data, remote, local)])

        def ended(error: OSError | None) -> None:
            del self._streams[channel]
            self._changed(Closed(channel) if error is None else ChannelFailed(channel, error.errno or 0))

        self._streams[channel] = Stream(connection, received, ended)


def _endpoint(name: tuple[str, int]) -> Endpoint:
    """Return what getsockname or getpeername tells."""
    return Endpoint(IPv4Address(name[0]), name[1])


def _datagram_socket(wish: OpenChannel) -> socket.socket:
    raw = wish.kind is ChannelKind.RAW41
    sock = socket.socket(
        socket.AF_INET, socket.SOCK_RAW if raw else socket.SOCK_DGRAM, socket.IPPROTO_IPV6 if raw else socket.IPPROTO_UDP
    )
    try:
        sock.setblocking(False)
        _enlarge_buffers(sock)
        # DF clear: the network may fragment, as RFC 4380 section 5.1.2 and RFC 4213 section 3.2.1 have it.
        discovery = _IP_PMTUDISC_DO if wish.path_mtu_discovery else _IP_PMTUDISC_DONT
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, discovery)
        if wish.ttl is not None:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, wish.ttl)
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        if wish.broadcast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if wish.kind is ChannelKind.MULTICAST:
            _join(sock, wish)
        else:
            sock.bind((str(wish.local.address), wish.local.port))
        if raw and wish.remote is not None:
            sock.connect((str(wish.remote.address), 0))
    except OSError:
        sock.close()
        raise
    return sock


def _described(sock: socket.socket) -> OuterSocket:
    remote: str | None = None
    with contextlib.suppress(OSError):  # ENOTCONN: it talks to many
        remote = str(sock.getpeername()[0])
    address, port = sock.getsockname()[:2]
    raw = sock.type == socket.SOCK_RAW
    return OuterSocket("raw41" if raw else "udp", address, 0 if raw else port, remote)


def _enlarge_buffers(sock: socket.socket) -> None:
    for forced, ordinary in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER_SIZE)
        except PermissionError:  # no CAP_NET_ADMIN in the first user namespace: as much as the host allows
            sock.setsockopt(socket.SOL_SOCKET, ordinary, BUFFER_SIZE)


def _join(sock: socket.socket, wish: OpenChannel) -> None:
    """Bind to the group itself, so that nothing sent to a unicast address arrives, and join it on every interface."""
    if wish.group is None:
        raise ValueError(f"channel {wish.channel}: multicast needs a group")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    sock.bind((str(wish.group), wish.local.port))
    for index, _ in socket.if_nameindex():
        request = struct.pack("=4s4si", wish.group.packed, bytes(4), index)  # struct ip_mreqn
        with contextlib.suppress(OSError):  # ENODEV: the interface has no multicast, or no IPv4
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)


def _queued_error(channel: str, sock: socket.socket) -> ChannelEvent | None:
    """Take one ICMP error from the socket's error queue (ip(7), IP_RECVERR)."""
    try:
        quote, ancillary, _, remote = sock.recvmsg(576, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, value in ancillary:
        if level != socket.IPPROTO_IP or kind != _IP_RECVERR:
            continue
        number, origin, icmp_type, icmp_code, _, info, _ = _EXTENDED_ERROR.unpack_from(value)
        destination = Endpoint(IPv4Address(remote[0]), remote[1])
        if origin == _ORIGIN_LOCAL and number == errno.EMSGSIZE:
            return IcmpReceived(channel, *_FRAGMENTATION_NEEDED, info, None, destination, quote)
        if origin != _ORIGIN_ICMP:
            return ChannelFailed(channel, number, destination)
        mtu = info if (icmp_type, icmp_code) == _FRAGMENTATION_NEEDED else 0
        offender = value[_EXTENDED_ERROR.size :]  # a sockaddr_in: family, port, address
        reporter = Endpoint(IPv4Address(offender[4:8]), 0) if len(offender) >= 8 else None
        return IcmpReceived(channel, icmp_type, icmp_code, mtu, reporter, destination, quote)
    return None
