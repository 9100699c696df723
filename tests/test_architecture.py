"""The parts may import only what docs/style.md section 1 allows. Each rule says why it is worth a red test."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("tunnelmgr",)  # and tunnelmgr_teredo, tunnelmgr_fou ...: a plugin is ours too as far as imports go


class Part(NamedTuple):
    """A folder, what else of ours it may import, and why no more."""

    folder: str
    may_import: tuple[str, ...]
    reason: str


PARTS = [
    Part("tunnelmgr/api", (), "a contract that leans on the core cannot be given to strangers"),
    Part("tunnelmgr/host", ("api",), "changing the machine must not know who wishes it, or it cannot be faked"),
    Part("tunnelmgr/dataplane", ("api",), "it carries and decides nothing: a path needs no core"),
    Part(
        "tunnelmgr/lab",
        ("api", "host", "dataplane"),
        "simulated hosts carry by the same forwarding table; with the core, the lab would test itself",
    ),
    Part("tunnelmgr/core", ("api", "host", "dataplane"), "it knows no protocol, no command line and no laboratory"),
    Part("tunnelmgr/detect", ("api", "host", "dataplane", "core"), "judging a network must work without a daemon"),
    Part("tunnelmgr/daemon", ("api", "host", "dataplane", "core", "detect"), "the process runs without a terminal"),
    Part(
        "tunnelmgr/cli",
        ("api", "host", "dataplane", "core", "detect", "daemon", "lab"),
        "the top: it meets plugins through hooks, never by name",
    ),
]


class Room(NamedTuple):
    """A folder inside a package, which other rooms and single modules of that package it may import, and why no more."""

    package: str
    name: str
    may_import: tuple[str, ...]
    reason: str


_CORE_ROOTS = ("condition", "guess", "plugins", "runtime")
ROOMS = [
    Room("tunnelmgr_teredo", "wire", ("constants",), "what both ends say belongs to neither"),
    Room(
        "tunnelmgr_teredo",
        "client",
        ("constants", "drops", "native", "ports", "wire"),
        "a client that knows of servers and relays of ours agrees with their mistakes",
    ),
    Room(
        "tunnelmgr_teredo",
        "relay",
        ("constants", "drops", "native", "ports", "wire", "client"),
        "a relay contacts clients as they do each other, and works without a server beside it",
    ),
    Room(
        "tunnelmgr_teredo",
        "server",
        ("constants", "drops", "native", "ports", "wire", "client", "relay"),
        "the server has a relay beside it, and the roles are put together above",
    ),
    Room("tunnelmgr_teredo", "dissection", ("constants", "wire"), "a decoder explains bytes and runs nothing"),
    Room(
        "tunnelmgr_sixinfour",
        "protocol41",
        ("constants", "drops"),
        "what every tunnel over protocol 41 needs knows of no kind of them",
    ),
    Room(
        "tunnelmgr_sixinfour",
        "provider",
        ("constants", "protocol41"),
        "a provider is told of an address, whoever has the tunnel there",
    ),
    Room(
        "tunnelmgr_sixinfour",
        "configured",
        ("constants", "drops", "protocol41", "provider"),
        "one far end, named by the user: nothing of it follows from addresses",
    ),
    Room(
        "tunnelmgr_sixinfour",
        "derived",
        ("constants", "drops", "protocol41"),
        "many far ends, named by nobody: there is no provider to tell",
    ),
    Room("tunnelmgr.core", "capture", _CORE_ROOTS, "a capture is read where nothing runs"),
    Room("tunnelmgr.core", "profiles", _CORE_ROOTS, "`check` must work without anything that runs"),
    Room("tunnelmgr.core", "choosing", (*_CORE_ROOTS, "profiles"), "methods are judged before one runs"),
    Room("tunnelmgr.core", "driving", (*_CORE_ROOTS, "profiles"), "a Tunnel is driven without a profile's life around it"),
    Room(
        "tunnelmgr.core",
        "running",
        (*_CORE_ROOTS, "profiles", "choosing", "driving"),
        "the top: it joins the others",
    ),
    Room("tunnelmgr_tsp", "wire", ("constants",), "what both ends say belongs to neither"),
    Room(
        "tunnelmgr_tsp",
        "client",
        ("constants", "wire"),
        "a client that borrows from the broker agrees with its mistakes",
    ),
    Room(
        "tunnelmgr_tsp",
        "broker",
        ("constants", "wire"),
        "a broker that borrows from the client agrees with its mistakes",
    ),
]
IMPURE = frozenset({"asyncio", "socket", "time", "os", "threading", "selectors", "subprocess", "signal"})


def sources(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*.py") if "tests" not in file.relative_to(folder).parts)


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import, those inside functions and TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import; the rules are read from full names"
            assert node.module
            # `from tunnelmgr import core` names a part by its alias.
            names = [f"tunnelmgr.{alias.name}" for alias in node.names] if node.module == "tunnelmgr" else [node.module]
            yield from ((node.lineno, name) for name in names)


def violations(files: list[Path], allowed: tuple[str, ...]) -> list[str]:
    """Return `file:line imports module` for each import of ours outside the packages allowed."""
    return [
        f"{file.relative_to(ROOT)}:{line} imports {module}"
        for file in files
        for line, module in imports(file)
        if module.partition(".")[0].startswith(OURS)
        and not any(module == name or module.startswith(f"{name}.") for name in allowed)
    ]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.folder)
def test_a_part_imports_only_parts_below_it(part: Part) -> None:
    package = part.folder.replace("/", ".")
    allowed = (package, *(f"tunnelmgr.{name}" for name in part.may_import))
    assert not violations(sources(ROOT / part.folder), allowed), part.reason


def test_every_part_has_a_rule() -> None:
    folders = {f"tunnelmgr/{path.parent.name}" for path in (ROOT / "tunnelmgr").glob("*/__init__.py")}
    assert folders <= {part.folder for part in PARTS}


def folder_of(package: str) -> Path:
    """Return where a package lies, ours or a plugin's."""
    folder = ROOT / package.replace(".", "/")
    return folder if folder.is_dir() else next(ROOT.glob(f"plugins/*/{package}"))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: f"{room.package}.{room.name}")
def test_a_room_imports_only_rooms_below_it(room: Room) -> None:
    allowed = tuple(f"{room.package}.{name}" for name in (room.name, *room.may_import))
    found = [
        f"{file.relative_to(ROOT)}:{line} imports {module}"
        for file in sources(folder_of(room.package) / room.name)
        for line, module in imports(file)
        if module.startswith(f"{room.package}.")
        and not any(module == name or module.startswith(f"{name}.") for name in allowed)
    ]
    assert not found, room.reason


@pytest.mark.parametrize("package", sorted({room.package for room in ROOMS}))
def test_every_room_has_a_rule(package: str) -> None:
    folders = {file.parent.name for file in folder_of(package).glob("*/__init__.py")}
    assert folders == {room.name for room in ROOMS if room.package == package}


def plugin_packages() -> list[Path]:
    patterns = ("plugins/*/tunnelmgr_*/__init__.py", "examples/*/tunnelmgr_*/__init__.py")
    return sorted(file.parent for pattern in patterns for file in ROOT.glob(pattern))


@pytest.mark.parametrize("package", plugin_packages(), ids=lambda package: package.name)
def test_a_plugin_imports_only_the_contract(package: Path) -> None:
    found = violations(sources(package), (package.name, "tunnelmgr.api"))
    assert not found, "what our own plugins need beyond tunnelmgr.api, a stranger's plugin would lack"


@pytest.mark.parametrize("package", plugin_packages(), ids=lambda package: package.name)
def test_a_protocol_core_is_pure(package: Path) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line} imports {module}"
        for file in sources(package)
        for line, module in imports(file)
        if module.partition(".")[0] in IMPURE
    ]
    assert not found, "bytes and a time go in: what reads a clock or a socket itself cannot be simulated"


def shipped() -> list[Path]:
    """Return the files that meet the world; the lab's internet is random too, but from a seed and on purpose."""
    parts = [ROOT / part.folder for part in PARTS if part.folder != "tunnelmgr/lab"]
    return [file for folder in [*parts, *plugin_packages()] for file in sources(folder)]


def makes_its_own_randomness(node: ast.AST) -> bool:
    """Say whether this is `Random(...)`, or an import of more of `random` than the two classes."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "random" and not {alias.name for alias in node.names} <= {"Random", "SystemRandom"}
    if isinstance(node, ast.Import):
        return "random" in {alias.name for alias in node.names}
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "Random"


@pytest.mark.requirement("T-SE-001")
def test_random_numbers_come_from_the_kernel_alone() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for file in shipped()
        for node in ast.walk(ast.parse(file.read_text()))
        if makes_its_own_randomness(node)
    ]
    assert not found, "a generator with a seed of its own can be guessed, and goes on where getrandom() fails"


def test_what_benchmarks_and_tools_borrow_from_the_tests_knows_no_pytest() -> None:
    todo = [file for folder in ("benchmarks", "tools") for file in (ROOT / folder).glob("*.py")]
    borrowed: set[Path] = set()
    while todo:
        for _, module in imports(todo.pop()):
            # `from tests.peers import miredo` names a folder; whatever is in it may be meant.
            path = ROOT / module.replace(".", "/")
            found = set(path.glob("*.py")) if path.is_dir() else {path.with_suffix(".py")}
            if module.startswith("tests.") and not found <= borrowed:
                todo += found - borrowed
                borrowed |= found
    assert borrowed >= {ROOT / "tests/peers/miredo.py"}
    assert [str(file) for file in borrowed for _, module in imports(file) if module.partition(".")[0] == "pytest"] == []
