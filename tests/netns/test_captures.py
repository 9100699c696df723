"""Wireshark's dissectors and ours read the same out of the same packets."""

import json
import subprocess
from ipaddress import IPv6Address

from click.testing import CliRunner

from tests.data.make_seed_2006 import FILE, LOCAL
from tunnelmgr.cli.commands.decode import decode

# Wireshark's name of a field -> ours.
FIELDS = {
    "ipv6.src": "source",
    "ipv6.dst": "destination",
    "ipv6.plen": "payload length",
    "ipv6.nxt": "next header",
    "ipv6.hlim": "hop limit",
    "teredo.auth.nonce": "nonce",
    "teredo.orig.addr": "origin indication",
    "icmpv6.type": "ICMPv6 type",
    "icmpv6.checksum": "ICMPv6 checksum",
    "icmpv6.echo.sequence_number": "sequence",
    "icmpv6.opt.mtu": "MTU",
}
GOOD_CHECKSUMS = ("udp.checksum.status", "icmpv6.checksum.status", "ip.checksum.status")
TEREDO_FRAMES = [*range(5, 14), *range(16, 24)]


def seen_by_wireshark(tshark: str) -> dict[int, dict[str, str]]:
    names = ["frame.number", *FIELDS, "teredo.orig.port", *GOOD_CHECKSUMS]
    words = [word for name in names for word in ("-e", name)]
    checks = [word for layer in ("udp", "ip") for word in ("-o", f"{layer}.check_checksum:TRUE")]
    as_teredo = ["-d", f"udp.port=={LOCAL.port},teredo"]
    line = [tshark, "-r", str(FILE), *as_teredo, *checks, "-T", "fields", "-E", "separator=;", *words]
    output = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    rows = (dict(zip(names, row.split(";"), strict=True)) for row in output.splitlines())
    return {int(row["frame.number"]): row for row in rows}


def seen_by_us() -> dict[int, dict[str, str]]:
    lines = CliRunner().invoke(decode, ["--json", str(FILE)], standalone_mode=False).output.splitlines()
    packets = [json.loads(line)["data"] for line in lines]
    return {packet["number"]: {field["name"]: field["value"] for field in packet["fields"]} for packet in packets}


def test_wireshark_agrees_on_every_field_of_the_trace_of_2006(tshark: str) -> None:
    theirs, ours = seen_by_wireshark(tshark), seen_by_us()
    for number in TEREDO_FRAMES:
        seen = {name: theirs[number][field] for field, name in FIELDS.items() if theirs[number][field]}
        if "origin indication" in seen:
            seen["origin indication"] += f":{theirs[number]['teredo.orig.port']}"
        for name in ("source", "destination"):
            seen[name] = str(IPv6Address(seen[name]))
        assert seen == {name: ours[number][name] for name in FIELDS.values() if name in ours[number]}, f"frame {number}"


def test_wireshark_finds_every_checksum_good(tshark: str) -> None:
    theirs = seen_by_wireshark(tshark)
    good = {name: {theirs[number][name] for number in TEREDO_FRAMES} - {""} for name in GOOD_CHECKSUMS}
    assert good == {name: {"1"} for name in GOOD_CHECKSUMS}
