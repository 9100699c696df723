"""nftables without starting nft: how a table stands at this moment, and a word of every change (nf_tables of nfnetlink)."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tunnelmgr.host.constants import NFT_TABLE_PREFIX
from tunnelmgr.host.linux.dumps import ask, attributes, dump, elements, messages

# linux/netfilter/nfnetlink.h and nf_tables.h; numbers travel in network byte order.
_NETLINK_NETFILTER = 12
_NFTABLES = 10 << 8  # NFNL_SUBSYS_NFTABLES
_GETTABLE, _GETCHAIN, _GETRULE = _NFTABLES | 1, _NFTABLES | 4, _NFTABLES | 7
_NEWGEN, _GETGEN = _NFTABLES | 15, _NFTABLES | 16
_NEWOBJ, _GETOBJ = _NFTABLES | 18, _NFTABLES | 19
_GROUP = 1 << 6  # NFNLGRP_NFTABLES
_HEADER = struct.Struct("=BBH")  # struct nfgenmsg: family, version, resource id
_FAMILIES = {"ip": socket.AF_INET, "ip6": socket.AF_INET6}
_NAME = 1  # NFTA_TABLE_NAME; NFTA_CHAIN_TABLE and NFTA_RULE_TABLE name the table of what they are of
_TABLE_FLAGS, _TABLE_HANDLE = 2, 4
_CHAIN_HANDLE, _CHAIN_HOOK, _CHAIN_POLICY = 2, 4, 5
_RULE_HANDLE, _RULE_EXPRESSIONS = 3, 4
_EXPRESSION_NAME = 1
_GEN_PID, _GEN_PROGRAM = 2, 3  # NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME
_OBJ_TABLE, _OBJ_NAME, _OBJ_TYPE, _OBJ_DATA = 1, 2, 3, 4
_COUNTER = 1  # NFT_OBJECT_COUNTER
_PACKETS = 2  # NFTA_COUNTER_PACKETS

_LOOKS_MAX: Final = 20  # at a ruleset that others change all the time


class Sight(NamedTuple):
    """What tells a table from every other, and from itself after a change: the kernel gives a table's handle only once."""

    table: tuple[bytes, ...]
    """Its handle and flags."""
    chains: tuple[tuple[bytes, ...], ...]
    """Of each chain: handle, hook and policy."""
    rules: tuple[tuple[bytes, ...], ...]
    """Of each rule in their order: handle and expressions. One that is replaced may keep its handle."""


def sight_of(table: str) -> Sight | None:
    """Return how a table stands, named as "ip6 NAME"; None when there is none.

    Raises OSError: EPERM without CAP_NET_ADMIN, and what a kernel without nftables says.
    """
    family, _, name = table.partition(" ")
    header = _HEADER.pack(_FAMILIES[family], 0, 0)
    named = name.encode() + b"\0"
    wanted = header + struct.pack("=HH", 4 + len(named), _NAME) + named + bytes(-len(named) % 4)
    for _ in range(_LOOKS_MAX):
        before = generation()
        try:
            found = attributes(ask(_NETLINK_NETFILTER, _GETTABLE, wanted)[_HEADER.size :])
        except FileNotFoundError:
            return None
        sight = Sight(
            _values(found, _TABLE_HANDLE, _TABLE_FLAGS),
            tuple(_values(chain, _CHAIN_HANDLE, _CHAIN_HOOK, _CHAIN_POLICY) for chain in _of(named, _GETCHAIN, header)),
            tuple((rule[_RULE_HANDLE], *_expressions(rule)) for rule in _of(named, _GETRULE, wanted)),
        )
        if generation() == before:
            break  # else somebody changed something while we read
    return sight


def counters(table: str) -> dict[str, int]:
    """Return the packets that the named counters of an `ip6` table have seen; nothing when it is not there.

    Raises OSError as `sight_of` does.
    """
    found = {}
    for kind, message in dump(_NETLINK_NETFILTER, _GETOBJ, _HEADER.pack(socket.AF_INET6, 0, 0)):
        said = attributes(message[_HEADER.size :])
        if kind == _NEWOBJ and _text(said[_OBJ_TABLE]) == table and int.from_bytes(said[_OBJ_TYPE], "big") == _COUNTER:
            found[_text(said[_OBJ_NAME])] = int.from_bytes(attributes(said[_OBJ_DATA])[_PACKETS], "big")
    return found


def has_other_base_chains() -> bool:
    """True if others than us look at packets: a chain with a hook is in a table of theirs. Raises OSError as `sight_of`."""
    for _, message in dump(_NETLINK_NETFILTER, _GETCHAIN, _HEADER.pack(socket.AF_UNSPEC, 0, 0)):
        said = attributes(message[_HEADER.size :])
        if _CHAIN_HOOK in said and not said[_NAME].startswith(NFT_TABLE_PREFIX.encode()):
            return True
    return False


async def watch_ruleset(committed: Callable[[str], None]) -> None:
    """Call `committed` at once after every change of any table, with the program that made it. Runs until cancelled.

    Raises OSError as `sight_of` does.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
        netlink.setblocking(False)
        netlink.bind((0, _GROUP))
        while True:
            try:
                data = await asyncio.get_running_loop().sock_recv(netlink, 1 << 20)
            except OSError:
                committed("")  # ENOBUFS: so much changed that messages were lost, which is a change too
                continue
            for kind, message in messages(data):
                if kind == _NEWGEN:  # the last message of a change
                    committed(_author(attributes(message[_HEADER.size :])))


def _author(said: dict[int, bytes]) -> str:
    if _GEN_PROGRAM not in said:
        return ""
    return f"{os.fsdecode(said[_GEN_PROGRAM].rstrip(bytes(1)))}, process {int.from_bytes(said[_GEN_PID], 'big')}"


def _of(table: bytes, request: int, body: bytes) -> Iterator[dict[int, bytes]]:
    for _, message in dump(_NETLINK_NETFILTER, request, body):
        said = attributes(message[_HEADER.size :])
        if said.get(_NAME) == table:
            yield said


def _expressions(rule: dict[int, bytes]) -> Iterator[bytes]:
    for _, expression in elements(rule[_RULE_EXPRESSIONS]):
        said = attributes(expression)
        # What was counted is not a change.
        yield said[_EXPRESSION_NAME] if said[_EXPRESSION_NAME] == b"counter\0" else expression


def generation() -> bytes:
    """Return what tells a state of all tables from every other. Raises OSError as `sight_of` does."""
    return ask(_NETLINK_NETFILTER, _GETGEN, _HEADER.pack(socket.AF_UNSPEC, 0, 0))


def _values(said: dict[int, bytes], *kinds: int) -> tuple[bytes, ...]:
    return tuple(said.get(kind, b"") for kind in kinds)


def _text(value: bytes) -> str:
    return os.fsdecode(value.rstrip(b"\0"))
