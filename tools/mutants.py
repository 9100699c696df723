"""Break the code behind numbered requirements, one at a time: a test that claims the requirement must fail.

    python -m tools.mutants [SEED] [--count 20]
    python -m tools.mutants --every

The code behind a requirement is where the tests that claim it go, all of them, and few others do; a line that fits another
requirement better is that one's, and a condition goes with what it guards. The broken package is a copy; the work tree stays
as it is. Exit status 1 when a mutant lives: a test that cannot fail is a defect.
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
from collections import Counter, defaultdict
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
Place = tuple[str, int]
"""A file of the package, and a line of it."""
Ways = dict[Place, list[Mutation]]


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


def belonging(claimed: dict[str, list[str]], lines: Lines) -> dict[str, dict[Place, float]]:
    """Return the lines behind each requirement, with their scores: a line belongs to the requirements it fits best."""
    everyone = Counter(place for places in lines.values() for place in _places(places))
    scores = {}
    for requirement, claims in claimed.items():
        ours = Counter(place for test in claims for place in _places(lines[test]))
        scores[requirement] = {place: count / math.sqrt(everyone[place] * len(claims)) for place, count in ours.items()}
    best = {place: max(found.get(place, 0.0) for found in scores.values()) for place in everyone}
    return {
        requirement: {place: score for place, score in found.items() if score >= max(SCORE_MIN, best[place])}
        for requirement, found in scores.items()
    }


def mutants(requirement: str, claims: list[str], scores: dict[Place, float], ways: Ways) -> list[Mutant]:
    """Return all that may be broken behind a requirement: nothing where it has no code of its own that can be broken."""
    breakable = {place: score for place, score in scores.items() if place in ways}
    enough = SPECIFIC * max(breakable.values(), default=0.0)
    chosen = sorted(place for place, score in breakable.items() if score >= enough)
    return [Mutant(requirement, claims, place[0], mutation) for place in chosen for mutation in ways[place]]


def all_ways(package: Path) -> Ways:
    """Return every way to break the package, by the line that tells what it is for."""
    found: Ways = defaultdict(list)
    for file in sorted((package / PACKAGE.name).rglob("*.py")):
        name, source = str(file.relative_to(package / PACKAGE.name)), file.read_text()
        for mutation in mutations(source):
            found[name, mutation.behind].append(mutation)
    return found


def _places(files: dict[str, list[int]]) -> Iterator[Place]:
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
    parser.add_argument("--every", action="store_true", help="break all that any seed may choose: takes most of an hour")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = copied(folder, "whole")
        lines = executed_lines(whole, folder / "lines.json")
        claimed = {
            requirement: claims
            for requirement, places in sorted(tests(ROOT).items())
            if requirement.startswith(PREFIX) and (claims := [test for test in sorted(set(places)) if test in lines])
        }
        ways, belongings = all_ways(whole), belonging(claimed, lines)
        found = [mutants(requirement, claimed[requirement], belongings[requirement], ways) for requirement in claimed]
        found = [ours for ours in found if ours]
        print(f"{len(found)} requirements have lines of their own, {sum(map(len, found))} mutants", flush=True)
        if options.every:
            chosen = [mutant for ours in found for mutant in ours]
        else:
            dice = random.Random(options.seed)  # noqa: S311 (the same seed breaks the same things)
            chosen = [dice.choice(ours) for ours in dice.sample(found, min(options.count, len(found)))]
        survivors = sum(tried(mutant, folder) for mutant in chosen)
    print(f"{survivors} of {len(chosen)} mutants live")
    return 1 if survivors else 0


def tried(mutant: Mutant, folder: Path) -> bool:
    """Break one thing and tell what came of it; return whether nobody noticed."""
    alive = lives(mutant, folder)
    verdict = "LIVES" if alive else "dead "
    print(f"{verdict} {mutant.requirement}  {mutant.file}:{mutant.mutation.line}  {mutant.mutation}", flush=True)
    if alive:
        print("      " + "\n      ".join(mutant.claims))
    return alive


if __name__ == "__main__":
    sys.exit(main())
