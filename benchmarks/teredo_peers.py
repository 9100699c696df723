"""A Teredo client with ten thousand peers, ours beside Debian's: memory per idle peer, and time per packet.

    python -m benchmarks.teredo_peers [--peers 10000] [--repeats 3] [--seconds 3]

As root. The client has a public address. All peers are on one host, which sends from any port by a raw socket: a peer is
learnt from its direct bubble, and is idle after it. Then one packet a peer in turn, in and out, beside one peer alone.
"""

import argparse
import socket
import struct
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from benchmarks import processes
from benchmarks.contestants import PROFILE, Contestant, Miredo, Tunnelmgr, teredo_address
from benchmarks.results import record
from tests.peers.teredo_internet import TeredoInternet, teredo_internet
from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

PEERS = IPv4Address("198.51.100.77")
SERVER = IPv4Address("192.0.2.1")
FIRST_PORT = 20_000
PAYLOAD = 64  # bytes of UDP payload
BURST = 50  # bubbles between two pauses, so that the client's receive buffer is not what is measured
TURN = 500  # packets between two looks at the clock
PAUSE = 0.002  # seconds
QUIET = 0.5  # seconds until a client that was sent something has done with it
ABOUT = """Teredo client on a public address, Miredo's server. Memory is what all processes of the client hold more after the
direct bubbles of all peers, a peer. CPU is their user and system time per packet of the tunnel device, 64 bytes of UDP."""
_UDP = struct.Struct("!HHHH")


class Peers:
    """Many Teredo clients on one host; peer `number` sends from port FIRST_PORT + number."""

    def __init__(self, host: Host, client: IPv6Address) -> None:
        with host.enter():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        self._socket.bind((str(PEERS), 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # what comes is for nobody
        self._client = client
        packed = client.packed
        self._port = int.from_bytes(packed[10:12]) ^ 0xFFFF
        self._remote = (str(IPv4Address(int.from_bytes(packed[12:]) ^ 0xFFFF_FFFF)), 0)

    def close(self) -> None:
        self._socket.close()

    @staticmethod
    def address(number: int) -> IPv6Address:
        """Return the Teredo address of a peer."""
        mapped = (FIRST_PORT + number) ^ 0xFFFF, int(PEERS) ^ 0xFFFF_FFFF
        return IPv6Address(struct.pack("!HHIHHI", 0x2001, 0, int(SERVER), 0, *mapped))

    def knock(self, count: int) -> None:
        """Send the client a direct bubble from each peer."""
        for number in range(count):
            self._send(number, self._packet(number, 59, b""))
            if number % BURST == 0:
                time.sleep(PAUSE)

    def blast(self, count: int, seconds: float) -> None:
        """Send the client data from one peer after the other, as fast as it goes."""
        udp = _UDP.pack(9, 9, 8 + PAYLOAD, 0xFFFF) + bytes(PAYLOAD)
        packets = [(number, self._packet(number, socket.IPPROTO_UDP, udp)) for number in range(count)]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for number, packet in packets[:TURN]:
                self._send(number, packet)
            packets = packets[TURN:] + packets[:TURN]

    def _packet(self, number: int, protocol: int, payload: bytes) -> bytes:
        header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
        return header + self.address(number).packed + self._client.packed + payload

    def _send(self, number: int, packet: bytes) -> None:
        header = _UDP.pack(FIRST_PORT + number, self._port, 8 + len(packet), 0)
        self._socket.sendto(header + packet, self._remote)


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each stream of packets")
    options = parser.parse_args()
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder, teredo_internet("bench", Path(folder), nat=NatKind.NONE) as world:
        peers_host = world.internet.host("peers", str(PEERS))
        home = world.home.inside
        for host, rule in ((peers_host, "output icmp type destination-unreachable"), (home, "input udp dport 9")):
            hook, rest = rule.split(" ", 1)
            host.run(["nft", f"add table inet quiet; add chain inet quiet {hook} {{ type filter hook {hook} priority 0; }}"])
            host.run(["nft", f"add rule inet quiet {hook} {rest} drop"])
        ours = Tunnelmgr(home, Path(folder))
        # Strangers, which these are, get half of the list (docs/protocols/teredo.md section 4.6).
        (Path(folder) / "bench.yaml").write_text(PROFILE.replace("}", f", peers_max: {4 * options.peers}}}"))
        for repeat in range(options.repeats):
            for contestant in (ours, Miredo(home, Path(folder))):
                print(f"repeat {repeat + 1} of {options.repeats}: {contestant.name}", flush=True)
                for measure, figure in measures(contestant, world, peers_host, options.peers, options.seconds):
                    samples[measure][contestant.name].append(figure)
    record("teredo_peers", ABOUT, samples)


def measures(
    contestant: Contestant, world: TeredoInternet, peers_host: Host, count: int, seconds: float
) -> Iterator[tuple[str, float]]:
    """Yield every figure of one contestant, started for this and stopped afterwards."""
    home = world.home.inside
    contestant.launch()
    try:
        address = wait_for("address", lambda: teredo_address(home, contestant.device))
        peers = Peers(peers_host, address)
        peers.knock(1)
        settle(home)
        yield from costs(contestant, home, peers, 1, seconds)
        before = processes.resident(home)
        peers.knock(count)
        settle(home)
        yield "memory per idle peer, bytes", (processes.resident(home) - before) / count
        yield from costs(contestant, home, peers, count, seconds)
        peers.close()
    finally:
        contestant.stop()


def costs(contestant: Contestant, home: Host, peers: Peers, count: int, seconds: float) -> Iterator[tuple[str, float]]:
    """Yield the CPU time per packet with so many peers, microseconds."""
    before = used(contestant, home)
    peers.blast(count, seconds)
    yield f"in, {count} peers, CPU us per packet", per_packet(before, used(contestant, home))
    peers.knock(count)  # whoever was silent for 30 s would be contacted anew
    before = used(contestant, home)
    blast(home, count, seconds)
    yield f"out, {count} peers, CPU us per packet", per_packet(before, used(contestant, home))


def blast(home: Host, count: int, seconds: float) -> None:
    """Send from the client's host to one peer after the other, as fast as it goes."""
    with home.enter():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    targets = [(str(Peers.address(number)), 9) for number in range(count)]
    until = time.monotonic() + seconds
    with sock:
        while time.monotonic() < until:
            for target in targets[:TURN]:
                sock.sendto(bytes(PAYLOAD), target)
            targets = targets[TURN:] + targets[:TURN]


def used(contestant: Contestant, home: Host) -> tuple[float, int]:
    """Return CPU seconds and packets, once the client has done with what it was sent."""
    settle(home)
    return processes.cpu_time(home), sum(processes.packets(home, contestant.device))


def settle(home: Host) -> None:
    """Wait until the client is idle."""
    before = -1.0
    while (now := processes.cpu_time(home)) > before:
        before = now
        time.sleep(QUIET)


def per_packet(before: tuple[float, int], after: tuple[float, int]) -> float:
    return (after[0] - before[0]) * 1e6 / max(1, after[1] - before[1])


if __name__ == "__main__":
    main()
