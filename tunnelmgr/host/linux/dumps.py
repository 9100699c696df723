"""Netlink questions in a dozen lines (netlink(7)), for what is read too early or too often to import a library for it."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

# linux/netlink.h
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_TYPE = 0x3FFF  # NLA_TYPE_MASK
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12


def ask(family: int, request: int, body: bytes) -> bytes:
    """Return the content of the one message that answers a request. Raises OSError with the errno of the kernel."""
    return next(message for _, message in _answers(family, request, _NLM_F_REQUEST, body))


def dump(family: int, request: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each message of a dump. Raises OSError with the errno of the kernel."""
    return _answers(family, request, _NLM_F_REQUEST | _NLM_F_DUMP, body)


def _answers(family: int, request: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as netlink:
        with contextlib.suppress(OSError):  # before Linux 4.20 everything is dumped, whatever was asked for
            netlink.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        netlink.sendto(struct.pack("=IHHII", 16 + len(body), request, flags, 1, 0) + body, (0, 0))
        while True:
            for kind, message in messages(netlink.recv(65536)):
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", message)
                    raise OSError(-code, os.strerror(-code))
                yield kind, message


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each message in what was read from a netlink socket."""
    place = 0
    while place < len(data):
        length, kind = struct.unpack_from("=IH", data, place)
        yield kind, data[place + 16 : place + length]
        place += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes a message, or an attribute that holds others, consists of."""
    return dict(elements(data))


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of each attribute, where one kind may be there several times."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & _TYPE, data[4:length]
        data = data[(length + 3) & ~3 :]
