"""Let Teredo clients, ours and Debian's, behind every kind of NAT call each other; write the table of who meets whom.

    python -m tools.nat_matrix      (as root; three minutes)

The table goes to standard output and into plugins/teredo/README.md, between its markers. Exit status 1 when a cell is
not what `tests.netns.teredo.nat_matrix.connects` says.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

from tests.netns.teredo.nat_matrix import ALL, CONNECTED, KINDS, Cell, Client, connects, matrix_internet
from tunnelmgr.lab.vocabulary import NatKind

README = Path(__file__).resolve().parent.parent / "plugins/teredo/README.md"
BEGIN, END = "<!-- nat-matrix: written by `make nat-matrix` -->", "<!-- /nat-matrix -->"
LETTER = {Client.OURS: "O", Client.DEBIANS: "D"}
WORD = {
    NatKind.NONE: "none",
    NatKind.FULL_CONE: "cone",
    NatKind.ADDRESS_RESTRICTED: "address-r.",
    NatKind.PORT_RESTRICTED: "port-r.",
    NatKind.PORT_RESTRICTED_OPEN_BOX: "open box",
    NatKind.SYMMETRIC: "symmetric",
    NatKind.SYMMETRIC_SEQUENTIAL: "sequential",
}


def ask() -> dict[Cell, int]:
    """Return how many pings each cell answered; row by row, so that the machine is not the obstacle."""
    answered: dict[Cell, int] = {}
    with tempfile.TemporaryDirectory() as folder, matrix_internet(f"matrix{os.getpid()}", ALL, Path(folder)) as internet:
        for row in KINDS:
            print(f"from behind {row.value} ...", file=sys.stderr, flush=True)
            answered |= internet.answered(cell for cell in ALL if cell.row is row)
    return answered


def table(answered: dict[Cell, int]) -> str:
    """Return the answers as Markdown."""
    lines = [f"| from \\ to | {' | '.join(WORD[kind] for kind in KINDS)} |", "|---" * (len(KINDS) + 1) + "|"]
    for row in KINDS:
        words = [_word(answered, row, column) for column in KINDS]
        lines.append(f"| {WORD[row]} | {' | '.join(words)} |")
    return "\n".join(lines)


def _word(answered: dict[Cell, int], row: NatKind, column: NatKind) -> str:
    pairs = [(caller, called) for caller in Client for called in Client]
    met = [f"{LETTER[a]}{LETTER[b]}" for a, b in pairs if answered[Cell(a, b, row, column)] >= CONNECTED]
    if len(met) == len(pairs):
        return "all"
    return " ".join(met) or "-"


def main() -> int:
    """Ask, print, write."""
    answered = ask()
    text = table(answered)
    print(text)
    readme = README.read_text()
    if BEGIN not in readme:
        raise SystemExit(f"{README} has no line {BEGIN!r}; add it, and {END!r} after it")
    README.write_text(
        re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", f"{BEGIN}\n\n{text}\n\n{END}", readme, flags=re.DOTALL)
    )
    wrong = [cell for cell, count in answered.items() if (count >= CONNECTED) is not connects(cell)]
    for cell in wrong:
        print(f"unexpected: {cell}: {answered[cell]} answers", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
