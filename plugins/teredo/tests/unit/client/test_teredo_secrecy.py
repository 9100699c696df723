"""What nobody may guess: it is drawn from the random numbers given to us or not at all, and compared in constant time."""

import ast
from pathlib import Path
from random import Random
from typing import NoReturn

import pytest
from tests.teredo_world.bench import Bench

import tunnelmgr_teredo

SOURCES = sorted(Path(tunnelmgr_teredo.__file__).parent.rglob("*.py"))
GUESSED = ("nonce", "proof", "signature")
COMPARISONS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


class Drained(Random):
    """A kernel that has no random numbers to give."""

    def random(self) -> NoReturn:
        raise OSError("getrandom() failed")

    def getrandbits(self, k: int, /) -> NoReturn:
        raise OSError("getrandom() failed")


def names(expression: ast.expr) -> list[str]:
    """Return the words a reader calls the compared value by: `peer.nonce_sent` gives `nonce_sent` and `peer`."""
    nodes = list(ast.walk(expression))
    return [node.attr for node in nodes if isinstance(node, ast.Attribute)] + [
        node.id for node in nodes if isinstance(node, ast.Name)
    ]


@pytest.mark.requirement("T-SE-001")
def test_without_random_numbers_there_is_no_client() -> None:
    with pytest.raises(OSError, match="getrandom"):
        Bench(Drained()).start()


@pytest.mark.requirement("T-SE-002")
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_nothing_guessed_is_compared_octet_by_octet(source: Path) -> None:
    found = [
        f"{source.name}:{node.lineno}"
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Compare) and any(isinstance(operator, COMPARISONS) for operator in node.ops)
        for side in (node.left, *node.comparators)
        if any(word in name for name in names(side) for word in GUESSED)
    ]
    assert not found, "hmac.compare_digest takes as long for a wrong first octet as for a wrong last one"
