"""Sends as many UDP datagrams as one processor can: the kernel cuts each large one into many (UDP_SEGMENT, udp(7))."""

import argparse
import socket
import time

UDP_SEGMENT = 103  # linux/udp.h
SEGMENTS = 40  # datagrams a system call; UDP_MAX_SEGMENTS is 64 in older kernels
BYTES_MAX = 60_000  # of them together


def main() -> None:
    """Send for a while, or at a rate: `python -m benchmarks.blast ADDRESS PORT PAYLOAD-IN-HEX`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("payload", type=bytes.fromhex)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--source", default="", help="local address")
    parser.add_argument("--source-port", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0, help="datagrams a second; 0 for all there is")
    options = parser.parse_args()
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((options.source, options.source_port))
        sock.connect((options.address, options.port))
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(options.payload))
        blast(sock, options.payload, options.seconds, options.rate)


def blast(sock: socket.socket, payload: bytes, seconds: float, rate: float) -> None:
    """Send until the time is over; answers are left to the kernel."""
    count = max(1, min(SEGMENTS, BYTES_MAX // len(payload)))
    burst = payload * count
    started_at = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - started_at) < seconds:
        if rate and sent > rate * elapsed:
            time.sleep(0.0005)
            continue
        try:
            sock.send(burst)
        except OSError:  # ECONNREFUSED and the like: an answer to an earlier one
            continue
        sent += count


if __name__ == "__main__":
    main()
