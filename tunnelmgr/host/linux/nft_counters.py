"""The named counters of nft tables, read without starting nft: `status` asks whenever somebody looks.

Constants are those of linux/netfilter/nfnetlink.h and nf_tables.h; their numbers travel in network byte order.
"""

import socket
import struct

from tunnelmgr.host.linux.dumps import attributes, dump

_NETLINK_NETFILTER = 12
_NEWOBJ, _GETOBJ = 10 << 8 | 18, 10 << 8 | 19  # NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWOBJ and NFT_MSG_GETOBJ
_HEADER = struct.Struct("=BBH")  # struct nfgenmsg: family, version, resource id
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4  # NFTA_OBJ_*
_COUNTER = 1  # NFT_OBJECT_COUNTER
_PACKETS = 2  # NFTA_COUNTER_PACKETS


def counters(table: str) -> dict[str, int]:
    """Return the packets that the named counters of an `ip6` table have seen; nothing when it is not there.

    Raises OSError: EPERM without CAP_NET_ADMIN, and what a kernel without nftables says.
    """
    found = {}
    for kind, message in dump(_NETLINK_NETFILTER, _GETOBJ, _HEADER.pack(socket.AF_INET6, 0, 0)):
        said = attributes(message[_HEADER.size :])
        if kind == _NEWOBJ and _text(said[_TABLE]) == table and int.from_bytes(said[_TYPE], "big") == _COUNTER:
            found[_text(said[_NAME])] = int.from_bytes(attributes(said[_DATA])[_PACKETS], "big")
    return found


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()
