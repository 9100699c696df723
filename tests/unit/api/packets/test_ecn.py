"""Congestion marks when an outer header is taken off (RFC 6040), by the table of the 6in4 vectors."""

import json
from pathlib import Path

import pytest

from tunnelmgr.api.packets.ecn import Ecn, decapsulated_ecn, is_suspicious_ecn
from tunnelmgr.api.packets.ipv6 import traffic_class, with_traffic_class

VECTORS = Path(__file__).resolve().parents[3] / "data/sixinfour-vectors.json"
COMBINATIONS = json.loads(VECTORS.read_text())["tables"]["ecn_decapsulation"]


@pytest.mark.parametrize("row", COMBINATIONS, ids=lambda row: f"{row['inner']} in {row['outer']}")
@pytest.mark.requirement("S-EC-002")
def test_every_combination_gives_what_the_table_says(row: dict[str, int | str | bool]) -> None:
    inner, outer = Ecn(int(row["inner"])), Ecn(int(row["outer"]))
    assert decapsulated_ecn(inner, outer) == (None if row["result"] == "drop" else row["result"])
    assert is_suspicious_ecn(inner, outer) is row["log"]


def test_the_traffic_class_of_a_raw_packet_is_read_and_written_alone() -> None:
    packet = bytes.fromhex("6bb12345") + bytes(36)
    assert traffic_class(packet) == 0xBB
    assert with_traffic_class(packet, 0x0C) == bytes.fromhex("60c12345") + bytes(36)
