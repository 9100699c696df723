"""What methods ask to be remembered, and for how long."""

import json
from pathlib import Path
from random import Random

import pytest

from tunnelmgr.core.driving.memory import Memory
from tunnelmgr.core.running.lan import unique_local_prefix


def test_each_method_has_a_memory_of_its_own_that_outlives_the_program(tmp_path: Path) -> None:
    Memory(tmp_path / "home.memory").remember("6in4", "key", b"\x00\xff")
    Memory(tmp_path / "home.memory").remember("tsp", "key", b"other")
    assert Memory(tmp_path / "home.memory").recall("6in4") == {"key": b"\x00\xff"}
    assert Memory(tmp_path / "home.memory").recall("teredo") == {}


def test_a_lifetime_ends_by_the_wall_clock_whoever_runs_meanwhile(tmp_path: Path) -> None:
    now = 1_000_000.0

    def memory() -> Memory:
        return Memory(tmp_path / "home.memory", wall_clock=lambda: now)

    memory().remember("6in4", "pause", b"300", lifetime=300.0)
    memory().remember("6in4", "outcome", b"lasting")
    now += 299
    assert memory().recall("6in4") == {"pause": b"300", "outcome": b"lasting"}
    memory().remember("6in4", "told", b"yes", lifetime=10.0)
    now += 1
    assert memory().recall("6in4") == {"outcome": b"lasting", "told": b"yes"}
    memory().remember("6in4", "told", b"for ever")
    now += 10
    assert memory().recall("6in4") == {"outcome": b"lasting", "told": b"for ever"}


def test_a_file_that_is_no_memory_is_as_good_as_none(tmp_path: Path) -> None:
    for text in ("", "{", "[]", "5", '{"6in4": []}', '{"6in4": 5, "tsp": {"key": 5}}'):
        (tmp_path / "home.memory").write_text(text)
        memory = Memory(tmp_path / "home.memory")
        assert memory.recall("6in4") == {}
        memory.remember("6in4", "key", b"value")
        assert memory.recall("6in4") == {"key": b"value"}


@pytest.mark.parametrize(
    "damaged",
    [
        "QQ==",
        5,
        None,
        [],
        {},
        *({"value": value} for value in ("A", "QQ=", "ü", 5, None)),
        {"value": "QQ==", "until": "soon", "lifetime": 5},
        {"value": "QQ==", "until": 2e9, "lifetime": None},
    ],
    ids=str,
)
def test_an_entry_that_makes_no_sense_takes_no_other_with_it(tmp_path: Path, damaged: object) -> None:
    good = {"value": "QQ==", "until": 2e9, "lifetime": 1e9}
    (tmp_path / "home.memory").write_text(json.dumps({"6in4": {"bad": damaged, "good": good}}))
    memory = Memory(tmp_path / "home.memory", wall_clock=lambda: 1.5e9)
    assert memory.recall("6in4") == {"good": b"A"}
    memory.remember("lan", "key", b"value")
    assert memory.recall("6in4") == {"good": b"A"}


def test_what_was_kept_by_a_clock_far_ahead_goes_when_that_is_put_right(tmp_path: Path) -> None:
    now = 4e9

    def memory() -> Memory:
        return Memory(tmp_path / "home.memory", wall_clock=lambda: now)

    memory().remember("6in4", "pause", b"86400", lifetime=86400.0)
    memory().remember("6in4", "outcome", b"lasting")
    now -= 60.0
    assert memory().recall("6in4") == {"pause": b"86400", "outcome": b"lasting"}, "clocks are put back a little every day"
    now = 1.7e9
    assert memory().recall("6in4") == {"outcome": b"lasting"}


def test_a_damaged_prefix_is_drawn_anew(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "home.memory")
    memory.remember("lan", "unique-local-prefix", b"123")
    drawn = unique_local_prefix(memory, Random(1))
    assert drawn.prefixlen == 48
    assert unique_local_prefix(memory, Random(2)) == drawn
