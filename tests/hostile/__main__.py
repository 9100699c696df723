"""Hostile peers on one address, a UDP port for each: `python -m tests.hostile ADDRESS SEED`."""

import selectors
import socket
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address
from random import Random

from tests.hostile import nat, tsp
from tests.hostile.mutations import mutated
from tests.hostile.ports import HELD, MUTANTS, MUTANTS_NUMBER, PART, REFUSED

Respond = Callable[[bytes], bytes | None]


def brokers(address: IPv4Address, random: Random) -> dict[int, Respond]:
    """Return what each port says, brokers first."""
    said = {REFUSED + number: answer for number, answer in enumerate(tsp.answers(address))}
    said |= {HELD + number: tsp.offer(address, changes) for number, changes in enumerate(tsp.HELD)}
    said |= {PART + number: tsp.offer(address, changes) for number, changes in enumerate(tsp.TAKEN_IN_PART)}
    said |= {MUTANTS + number: mutated(tsp.offer(address, {}), random) for number in range(MUTANTS_NUMBER)}
    return {port: partial(_as_broker, answer) for port, answer in said.items()}


def _as_broker(answer: bytes, datagram: bytes) -> bytes | None:
    return tsp.respond(datagram, answer)


def serve(address: str, seed: int) -> None:
    """Answer for ever."""
    random = Random(seed)
    selector = selectors.DefaultSelector()
    peers = brokers(IPv4Address(address), random) | nat.peers(random)
    for port, respond in peers.items():
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind((address, port))
        selector.register(peer, selectors.EVENT_READ, respond)
    while True:
        for key, _ in selector.select():
            peer = key.fileobj  # type: ignore[assignment]  # only sockets are registered
            datagram, remote = peer.recvfrom(65536)
            if (said := key.data(datagram)) is not None:
                peer.sendto(said, remote)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
