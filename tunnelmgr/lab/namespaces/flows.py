"""Making a router forget its flows: `nft flush ruleset` leaves them. What `conntrack -F` does, without the program."""

import errno
import os
import socket
import struct

_CT_DELETE = 0x0102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE; without a tuple: all of the family
_REQUEST_ACK = 0x0005  # NLM_F_REQUEST | NLM_F_ACK
_NETLINK_NETFILTER = 12
_SHORT = struct.calcsize("=IHHII")  # bytes of a netlink header


def forget_flows() -> None:
    """Remove all IPv4 flows the kernel tracks in the calling thread's namespace. Raises OSError."""
    request = struct.pack("=IHHII", _SHORT + 4, _CT_DELETE, _REQUEST_ACK, 0, 0) + struct.pack("!BBH", socket.AF_INET, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netlink:
        netlink.sendto(request, (0, 0))
        (failure,) = struct.unpack_from("=i", netlink.recv(4096), _SHORT)
    # ENOENT: nothing was tracked.
    if failure and failure != -errno.ENOENT:
        raise OSError(-failure, f"flushing conntrack: {os.strerror(-failure)}")
