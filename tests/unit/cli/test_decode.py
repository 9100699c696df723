"""`tunnelmgr decode`: what may be given to it, and what it prints."""

import json
import struct
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.cli.test_schema import assert_follows
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli.commands.decode import decode
from tunnelmgr.cli.main import run
from tunnelmgr.cli.packets import installed_dissectors
from tunnelmgr.core.plugins import PLUGINS, TRANSPORTS, PluginRegistry

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "teredo-vectors.json").read_text())
BUBBLE = "6000000000003bff20010000cb0071781c2defff3ffffdfe20010000c63364762081dfff3ffffdf5"
TOLD = "bubble from 192.0.2.1:4096 to 192.0.2.10:8192: direct, or on its way to a server; only the envelope tells"
DEAD = "3ffe:831f:8ac3:9ddd:0:3650:ba0c:d759"


def printed(*words: str, given: bytes = b"") -> str:
    return CliRunner().invoke(decode, words, input=given, catch_exceptions=False, standalone_mode=False).output


def capture(*payloads: bytes) -> bytes:
    """Return a capture of IPv6 packets, half a second apart."""
    frames = [struct.pack("<IIII", 0, 500_000 * at, len(data), len(data)) + data for at, data in enumerate(payloads)]
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + b"".join(frames)


@pytest.mark.parametrize("word", [BUBBLE, BUBBLE.upper(), f"0x{BUBBLE}", f"{BUBBLE[:8]} {BUBBLE[8:]}\n"])
def test_bytes_may_be_written_in_any_usual_way(word: str) -> None:
    assert printed(word) == f"{TOLD}\n"


def test_a_whole_ipv4_datagram_tells_its_ends() -> None:
    datagram = "450000440001000080110fbdc0000201c633640a10002000003000006000"
    assert printed(datagram).startswith("malformed: IPv4 total length 68 in 30 bytes")
    whole = next(packet for packet in VECTORS["packets"] if packet["name"] == "bubble-direct")["ipv4_hex"]
    told = "192.0.2.1:4096 > 192.0.2.10:8192  direct bubble: opens the sender's NAT to 192.0.2.10:8192"
    assert printed(whole) == f"{told}\n"


def test_an_address_is_taken_apart() -> None:
    lines = printed(DEAD).splitlines()
    assert lines[0].startswith("the Teredo client that its NAT shows as 69.243.40.166:51631, with server 138.195.157.221")
    assert ["mapped", "port", "51631"] in [line.split()[2:5] for line in lines]


def test_fields_are_named_when_wanted() -> None:
    assert len(printed("-v", BUBBLE).splitlines()) > len(printed(BUBBLE).splitlines()) == 1


def test_a_capture_gets_a_line_a_packet_with_times_from_the_first(tmp_path: Path) -> None:
    file = tmp_path / "two.pcap"
    file.write_bytes(capture(bytes.fromhex(BUBBLE), bytes.fromhex(BUBBLE)))
    lines = printed(str(file)).splitlines()
    assert [line.split()[:2] for line in lines] == [["1", "0.0000"], ["2", "0.5000"]]
    assert all(line.endswith("nothing inside: a bubble") for line in lines)


def test_a_capture_may_come_from_standard_input() -> None:
    assert len(printed("-", given=capture(bytes.fromhex(BUBBLE))).splitlines()) == 1


def test_a_damaged_capture_is_shown_up_to_the_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cut.pcap"
    file.write_bytes(capture(bytes.fromhex(BUBBLE), bytes.fromhex(BUBBLE))[:-1])
    assert run(["decode", str(file)]) == ExitCode.FAILED
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 1
    assert output.err.startswith(f"tunnelmgr: {file}, byte 96: it ends within frame 2")


@pytest.mark.parametrize("word", ["home.pcap", "192.0.2.1", "abc", "6" * 5001])
def test_what_is_nothing_of_that_is_a_usage_error(word: str) -> None:
    assert run(["decode", word]) == ExitCode.USAGE


def test_json_is_one_object_a_line_and_follows_its_schema(tmp_path: Path) -> None:
    file = tmp_path / "one.pcap"
    file.write_bytes(capture(bytes.fromhex(BUBBLE)))
    lines = printed("--json", DEAD, BUBBLE, str(file)).splitlines()
    for line in lines:
        assert_follows("decode", line)
    told = [json.loads(line)["data"] for line in lines]
    assert [(packet["kind"], packet["number"]) for packet in told] == [("address", None), ("bubble", None), ("bubble", 1)]


def test_a_broken_plugin_is_named_and_the_others_explain() -> None:
    told: list[str] = []
    entries = [EntryPoint(name, name, group) for group in (PLUGINS, TRANSPORTS) for name in ("no_such_module",)]
    teredo = [EntryPoint("teredo", "tunnelmgr_teredo.plugin", group) for group in (PLUGINS, TRANSPORTS)]
    assert len(installed_dissectors(PluginRegistry([*entries, *teredo]), told.append)) == 1
    assert [line.partition(":")[0] for line in told] == ["packets of no_such_module are not explained"]
