"""tests/data/teredo-vectors.json holds what was exchanged with other implementations; none of it may be forgotten."""

from pathlib import Path

from tests.teredo_world.vectors import PACKETS


def test_every_datagram_of_the_vectors_is_in_a_test() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parents[2].rglob("test_*.py"))
    assert [name for name in PACKETS if f'"{name}"' not in tests] == []
