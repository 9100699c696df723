"""The trace of 2006: the file is what its script builds, and `decode` tells it as docs/the-six-packets.md does."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.data import make_seed_2006
from tunnelmgr.api.packets.ipv4 import IPv4Packet
from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.api.packets.udp import UdpDatagram
from tunnelmgr.cli.commands.decode import decode
from tunnelmgr.core.capture.frame import ip_packet
from tunnelmgr.core.capture.reading import read_capture

ROOT = Path(__file__).parents[3]
FILE = make_seed_2006.FILE
PAGE = ROOT / "docs" / "the-six-packets.md"


def datagrams() -> Iterator[tuple[int, float, int, UdpDatagram]]:
    """Yield number, time, last byte of the destination address, and the datagram of each frame that holds one."""
    with FILE.open("rb") as stream:
        for frame in read_capture(stream, FILE.name):
            if frame.number > 2:
                packet = IPv4Packet.parse(ip_packet(frame))
                assert packet.protocol == IpProtocol.UDP
                datagram = UdpDatagram.parse(packet.payload, packet.source, packet.destination)
                yield frame.number, frame.at or 0.0, packet.destination.packed[3], datagram


def decoded(*options: str) -> str:
    return CliRunner().invoke(decode, [*options, str(FILE)], catch_exceptions=False, standalone_mode=False).output


def test_the_file_is_what_its_script_builds() -> None:
    assert FILE.read_bytes() == make_seed_2006.seed()


def test_decode_tells_it_as_it_always_did() -> None:
    assert decoded() == FILE.with_suffix(".txt").read_text()


@pytest.mark.parametrize("number", range(5, 24))
def test_the_page_shows_what_decode_prints(number: int) -> None:
    line = next(line for line in decoded().splitlines() if line.split()[0] == str(number))
    assert number in {14, 15} or line.split(maxsplit=5)[5] in PAGE.read_text()


def test_the_datagrams_have_the_lengths_of_the_original() -> None:
    lengths = {number: len(datagram.payload) for number, _, _, datagram in datagrams()}
    assert [lengths[number] for number in range(5, 14)] == [77, 77, 77, 77, 117, 77, 117, 77, 117]
    assert [lengths[number] for number in range(16, 24)] == [64, 48, 40, 64, 56, 56, 56, 56]


def test_the_client_waits_as_long_as_the_original_did() -> None:
    at = {number: round(at - make_seed_2006.BEGINNING, 3) for number, at, _, _ in datagrams()}
    assert [round(at[number + 1] - at[number], 3) for number in (5, 6, 7)] == [4.0, 4.0, 4.0]
    assert round(at[12] - at[11], 3) == 34.0


def test_the_ports_are_those_of_the_original() -> None:
    ports = {number: (datagram.source_port, datagram.destination_port) for number, _, _, datagram in datagrams()}
    assert make_seed_2006.MAPPED.port == 51631
    assert {ports[number][1] for number in (5, 8, 10, 12, 16)} == {3544}
    assert [ports[number][1] for number in (18, 20, 22)] == [51246] * 3
    assert [ports[number][0] for number in (19, 21, 23)] == [51246] * 3


def test_the_second_question_goes_to_the_second_address_of_the_server() -> None:
    ends = {number: last for number, _, last, _ in datagrams()}
    assert make_seed_2006.SERVER.address == IPv4Address("138.195.157.221")
    assert [ends[number] for number in (8, 10, 12)] == [221, 222, 221]


def test_every_kind_of_datagram_in_it_is_told_apart() -> None:
    kinds = [line.split('"kind": "')[1].split('"')[0] for line in decoded("--json").splitlines()]
    assert kinds[4:13] == [
        *["router-solicitation"] * 4,
        "router-advertisement",
        "router-solicitation",
        "router-advertisement",
        "router-solicitation",
        "router-advertisement",
    ]
    assert kinds[15:] == ["echo-test", "indirect-bubble", "direct-bubble", "echo-test-reply", *["data"] * 4]
