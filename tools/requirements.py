"""Tell which numbered requirement of docs/protocols is shown by which tests, and which MUSTs by none.

    tools/requirements.py [PREFIX ...]      e.g. T-CL S-

A requirement is a table row of docs/protocols/*.md whose first cell is an id such as T-AD-001. A test claims it with
`@pytest.mark.requirement("T-AD-001")`, on itself, its class or (as `pytestmark`) its module. An id that no document
knows is an error: exit status 1.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| *([A-Z]+(?:-[A-Z0-9]+)?-\d{2,3}) *\|(.*)\|\s*$")
LEVEL_COLUMN = 2  # cells after the id: requirement, source, level


class Requirement(NamedTuple):
    """One row of a specification."""

    identifier: str
    text: str
    level: str


def requirements(folder: Path) -> dict[str, Requirement]:
    """Read the rows of all specifications, in their order."""
    found = {}
    for document in sorted(folder.glob("*.md")):
        for line in document.read_text().splitlines():
            if match := ROW.match(line):
                cells = [cell.strip() for cell in match[2].split("|")]
                found[match[1]] = Requirement(match[1], cells[0], cells[LEVEL_COLUMN])
    return found


def claims(tree: ast.AST, where: str) -> Iterator[tuple[str, str]]:
    """Yield (id, place) for each mark below `tree`: the function or class it stands on, else the file."""
    for node in ast.iter_child_nodes(tree):
        place = where
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            place = f"{where}::{node.name}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requirement":
            yield from ((str(argument.value), place) for argument in node.args if isinstance(argument, ast.Constant))
        yield from claims(node, place)


def tests(root: Path) -> dict[str, list[str]]:
    """Return the places that claim each id."""
    found = defaultdict(list)
    for folder in ("tests", "plugins"):
        for file in sorted((root / folder).rglob("test_*.py")):
            for identifier, place in claims(ast.parse(file.read_text()), str(file.relative_to(root))):
                found[identifier].append(place)
    return found


def main(prefixes: list[str]) -> int:
    """Print the table and the summary."""
    known, shown = requirements(ROOT / "docs" / "protocols"), tests(ROOT)
    rows = [r for r in known.values() if not prefixes or r.identifier.startswith(tuple(prefixes))]
    for row in rows:
        print(f"{row.identifier:10} {row.level:12} {', '.join(shown.get(row.identifier, ['-']))}")
    uncovered = [row for row in rows if row.level.startswith("MUST") and row.identifier not in shown]
    print(f"\n{len(uncovered)} MUSTs without a test:")
    for row in uncovered:
        print(f"{row.identifier:10} {row.text}")
    unknown = {identifier: places for identifier, places in shown.items() if identifier not in known}
    for identifier, places in unknown.items():
        print(f"no document knows {identifier}, claimed by {', '.join(places)}", file=sys.stderr)
    covered = sum(row.identifier in shown for row in rows)
    print(f"\n{covered} of {len(rows)} requirements have a test")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
