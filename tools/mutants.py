"""Break the code behind numbered requirements, one at a time: a test that claims the requirement must fail.

    python -m tools.mutants [SEED] [--count 20]

The code behind a requirement is where the tests that claim it go, all of them, and few others do. The broken package is a
copy; the work tree stays as it is. Exit status 1 when a mutant lives: a test that cannot fail is a defect.
"""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.mutations import Mutation, mutations
from tools.requirements import tests

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "plugins/teredo"
PACKAGE = PLUGIN / "tunnelmgr_teredo"
TEST_FOLDERS = ("unit", "sim")  # those that run in seconds and without privilege
PREFIX = "T-"
SPECIFIC = 0.8  # of the best score: how far from the best line another one may be to be chosen
SCORE_MIN = 0.4  # of 1, which a line has where all tests that claim the requirement go and no other (Ochiai)
TIMEOUT = 120.0  # seconds for the tests of one requirement; a mutant that loops is dead, too
TRACE_TIMEOUT = 900.0  # seconds for all tests, traced

Lines = dict[str, dict[str, list[int]]]
"""Test -> file of the package -> lines executed."""


class Mutant(NamedTuple):
    """A requirement and what is broken to see whether anyone notices."""

    requirement: str
    claims: list[str]
    file: str
    mutation: Mutation


def pytest(*words: str, package: Path, environment: dict[str, str] | None = None, timeout: float = TIMEOUT) -> str:
    """Run tests with the package as it is in the folder `package`; return what pytest says when they do not all pass."""
    # The plugin's own folder behind it: the modules its tests share are there.
    paths = f"pythonpath={package} {ROOT} {PLUGIN}"
    command = [sys.executable, "-m", "pytest", "-qq", "-x", "-o", paths, "-p", "no:cacheprovider", *words]
    settings = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(command, cwd=ROOT, env=settings, timeout=timeout, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return f"not within {timeout} s"
    return done.stdout + done.stderr if done.returncode else ""


def copied(folder: Path, name: str) -> Path:
    """Return a fresh copy of the package, in a folder of its own; what is edited meanwhile disturbs nothing."""
    shutil.rmtree(folder / name, ignore_errors=True)
    original = folder / "whole" / PACKAGE.name
    source = original if original.exists() else PACKAGE
    shutil.copytree(source, folder / name / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / name


def executed_lines(package: Path, result: Path) -> Lines:
    """Run all tests and return where each one goes. Raises SystemExit when one fails."""
    environment = {"EXECUTED_LINES_OF": str(package / PACKAGE.name), "EXECUTED_LINES_TO": str(result)}
    folders = [str(PLUGIN / "tests" / name) for name in TEST_FOLDERS]
    words = ("-p", "tools.executed_lines", *folders)
    if said := pytest(*words, package=package, environment=environment, timeout=TRACE_TIMEOUT):
        raise SystemExit(f"{said}the tests must pass before anything is broken")
    found: Lines = json.loads(result.read_text())
    return found


def choose(requirement: str, claims: list[str], lines: Lines, package: Path, dice: random.Random) -> Mutant | None:
    """Choose what to break behind a requirement; None where it has no code of its own that can be broken."""
    everyone = Counter(place for places in lines.values() for place in _places(places))
    ours = Counter(place for test in claims for place in _places(lines[test]))
    scores = {place: count / math.sqrt(everyone[place] * len(claims)) for place, count in ours.items()}
    scores = {place: score for place, score in scores.items() if score >= SCORE_MIN}
    while scores:
        best = max(scores.values())
        chosen = dice.choice(sorted(place for place, score in scores.items() if score >= SPECIFIC * best))
        del scores[chosen]
        file, line = chosen
        if ways := list(mutations((package / PACKAGE.name / file).read_text(), frozenset({line}))):
            return Mutant(requirement, claims, file, dice.choice(ways))
    return None


def _places(files: dict[str, list[int]]) -> Iterator[tuple[str, int]]:
    return ((file, line) for file, numbers in files.items() for line in numbers)


def lives(mutant: Mutant, folder: Path) -> bool:
    """Whether all tests that claim the requirement pass although its code is broken."""
    broken = copied(folder, "broken")
    (broken / PACKAGE.name / mutant.file).write_text(mutant.mutation.source)
    return not pytest(*mutant.claims, package=broken)


def main() -> int:
    """Choose, break, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--count", type=int, default=20, help="requirements to break (20)")
    options = parser.parse_args()
    dice = random.Random(options.seed)  # noqa: S311 (the same seed breaks the same things)
    broken = survivors = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = copied(folder, "whole")
        lines = executed_lines(whole, folder / "lines.json")
        claimed = {
            requirement: [test for test in sorted(set(places)) if test in lines]
            for requirement, places in sorted(tests(ROOT).items())
            if requirement.startswith(PREFIX)
        }
        candidates = [requirement for requirement, claims in claimed.items() if claims]
        for requirement in dice.sample(candidates, len(candidates)):
            mutant = choose(requirement, claimed[requirement], lines, whole, dice) if broken < options.count else None
            if mutant is None:
                continue
            broken += 1
            alive = lives(mutant, folder)
            survivors += alive
            verdict = "LIVES" if alive else "dead "
            print(f"{verdict} {requirement}  {mutant.file}:{mutant.mutation.line}  {mutant.mutation}", flush=True)
            if alive:
                print("      " + "\n      ".join(mutant.claims))
    print(f"{survivors} of {broken} mutants live (seed {options.seed})")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
