"""Hostile peers of one place: `python -m tests.hostile internet|router SEED FOLDER`."""

import contextlib
import selectors
import socket
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

from tests.hostile import dhcp, dns, provider, router, stun, teredo, tsp, tsp_streams
from tests.hostile.peer import Peer
from tests.hostile.ports import ANYWHERE, BEHIND_LIES, DAMAGED, DHCP, DNS, HOSTILE, ROUTER, STREAMS, STUN, UPDATES
from tests.hostile.streams import listen
from tunnelmgr.api.errors import WireError
from tunnelmgr.api.network import Endpoint


def internet(random: Random) -> dict[Endpoint, Peer]:
    """Return what each endpoint beyond home's NAT says."""
    return {
        **{Endpoint(HOSTILE, port): peer for port, peer in tsp.peers(HOSTILE, random).items()},
        Endpoint(HOSTILE, STUN): stun.liar(random),
        Endpoint(BEHIND_LIES, STUN): stun.honest,
        **teredo.peers(BEHIND_LIES, DAMAGED, random),
    }


def inside(random: Random) -> dict[Endpoint, Peer]:
    """Return what each endpoint of home's router says."""
    control = {Endpoint(ROUTER, port): peer for port, peer in router.peers(random).items()}
    return {**control, Endpoint(ANYWHERE, DHCP): dhcp.peer(ROUTER, random), Endpoint(ROUTER, DNS): dns.peer(random)}


def answer(peers: Mapping[Endpoint, Peer]) -> None:
    """Answer for ever."""
    selector = selectors.DefaultSelector()
    for at, peer in peers.items():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((str(at.address), at.port))
        selector.register(sock, selectors.EVENT_READ, peer)
    while True:
        for key, _ in selector.select():
            sock = key.fileobj  # type: ignore[assignment]  # only sockets are registered
            question, (host, port) = sock.recvfrom(65536)
            with contextlib.suppress(WireError):
                for said, receiver in key.data(question, Endpoint(IPv4Address(host), port)):
                    sock.sendto(said, (str(receiver.address), receiver.port))


if __name__ == "__main__":
    seed, folder = Random(int(sys.argv[2])), Path(sys.argv[3])
    if sys.argv[1] == "internet":
        doors = provider.Doors(*(socket.create_server((str(HOSTILE), port)) for port in UPDATES))
        for port, talk in enumerate(tsp_streams.talks(HOSTILE), STREAMS):
            listen(socket.create_server((str(HOSTILE), port)), talk)
        provider.serve(doors, folder, seed)
        answer(internet(seed))
    answer(inside(seed))
