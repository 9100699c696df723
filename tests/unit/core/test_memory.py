"""What methods ask to be remembered, and for how long."""

from pathlib import Path

from tunnelmgr.core.memory import Memory


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
    for text in ("", "{", "[]", '{"6in4": []}', '{"6in4": {"key": "text"}}'):
        (tmp_path / "home.memory").write_text(text)
        memory = Memory(tmp_path / "home.memory")
        assert memory.recall("6in4") == {}
        memory.remember("6in4", "key", b"value")
        assert memory.recall("6in4") == {"key": b"value"}
