"""What documents mention exists: commands and their options, keys of profiles, files, names of the code, codes, targets.

Plans stand in the section "Roadmap" of docs/design.md, which is not looked at, and the past in the changelog.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple

import click
import jsonschema
import pytest
import yaml

from tests.documents import DOCUMENTS, ROOT, blocks, code, name_of, spans, tables, without_section
from tunnelmgr.api import hookspecs
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli.commands.schema import NAMES as SCHEMAS
from tunnelmgr.cli.main import cli
from tunnelmgr.core.condition import Code
from tunnelmgr.core.plugins import PLUGINS, TRANSPORTS, PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.profile import ProfileFile
from tunnelmgr.core.profiles.schema import Schema, profile_schema

PRESENT = [document for document in DOCUMENTS if document.name != "CHANGELOG.md"]
ELSEWHERE = ("Roadmap", "Worth reading")
"""Sections that name what does not exist yet, and other people's files."""
NOT_OURS = {"utils.py", "common.py", "helpers.py"}
"""Files that docs/style.md forbids."""
SUBJECTS = ("area: ", "teredo: ")
"""How spans begin that are subjects of commits."""
SECTIONS = "|".join(ProfileFile.model_fields)


class Document(NamedTuple):
    """A text, and the folder from which it names files."""

    text: str
    folder: Path = ROOT


# Commands


@cache
def commands() -> dict[tuple[str, ...], click.Command]:
    """Return the whole tree: the words of each command, and the command."""
    found: dict[tuple[str, ...], click.Command] = {}

    def visit(words: tuple[str, ...], command: click.Command) -> None:
        found[words] = command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                visit((*words, name), inner)

    visit((), cli)
    return found


def options_of(command: click.Command) -> set[str]:
    """Return every spelling of every option of a command."""
    parameters = command.get_params(click.Context(command))
    return {"-h", *(word for parameter in parameters for word in (*parameter.opts, *parameter.secondary_opts))}


def command_lines(document: Document) -> Iterator[str]:
    """Yield what follows `tunnelmgr` on each line of code, its comment included, `status --peers`, and lists of commands."""
    call = re.compile(r"(?<![\w/.-])tunnelmgr +([a-z-].*?)(?= tunnelmgr |$| &|`)")
    for line in code(document.text):
        yield from call.findall(line)
    ours = "|".join(words[0] for words in commands() if len(words) == 1)
    yield from (span for span in spans(document.text) if re.fullmatch(rf"(?:{ours}) (?:-.*|[a-z|]+)", span))
    for table in tables(document.text):
        columns = [index for index, head in enumerate(table.head) if head == "commands"]
        yield from (span for row in table.rows for column in columns for span in spans(row[column]) if span[0].isalpha())


def mistake_in(line: str) -> str:
    """Return what of a command line does not exist, or nothing."""
    words = re.sub(r"[\[\],;()]|\.(?= |$)", " ", line).split()
    path: tuple[str, ...] = ()
    while words and isinstance(commands()[path], click.Group) and not words[0].startswith("-"):
        names = words.pop(0).split("|")
        if unknown := [name for name in names if (*path, name) not in commands()]:
            return f"{line}: no command {unknown}"
        path = (*path, names[0])
    command = commands()[path]
    if not command.context_settings.get("allow_interspersed_args", True):
        words = words[: next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))]
    options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    return f"{line}: no option {missing}" if (missing := options - options_of(command)) else ""


def wrong_commands(document: Document) -> Iterator[str]:
    yield from filter(None, map(mistake_in, command_lines(document)))


def wrong_options(document: Document) -> Iterator[str]:
    """An option that stands alone is one of some command."""
    known = {option for command in commands().values() for option in options_of(command)}
    for span in spans(document.text):
        if span.startswith("--") and re.split("[ =]", span)[0] not in known:
            yield span


def wrong_targets(document: Document) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code(document.text):
        yield from (target for target in re.findall(r"(?:^|[&;] )make ([a-z][a-z-]+)", line) if target not in targets)


# Profiles


@cache
def registry() -> PluginRegistry:
    """Return our plugins and the example's."""
    example = [EntryPoint("fou", "tunnelmgr_fou.plugin", group) for group in (PLUGINS, TRANSPORTS)]
    return PluginRegistry([*entry_points(group=PLUGINS), *entry_points(group=TRANSPORTS), *example])


@cache
def keys() -> dict[str, list[Schema]]:
    """Return the schemas of each key that a profile may have, wherever it stands."""
    schema = profile_schema(registry())
    found: dict[str, list[Schema]] = {}

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            for name, inner in node.get("properties", {}).items():
                found.setdefault(name, []).append({"$defs": schema["$defs"], **inner})
            for inner in node.values():
                visit(inner)
        elif isinstance(node, list):
            for inner in node:
                visit(inner)

    visit(schema)
    return found


def profiles(document: Document) -> Iterator[str]:
    """Yield the profiles and fragments of profiles. A block may show several, one a line, and commands below."""
    for block in blocks(document.text):
        profile = re.split(r"\n\n(?=(?:sudo )?tunnelmgr )", block)[0]
        if re.match(rf"(?:#.*\n|\s*\n)*(?:{SECTIONS}):", profile):
            named = re.findall(rf"^({SECTIONS}):", profile, re.MULTILINE)
            if len(named) == len(set(named)):
                yield profile
            else:
                yield from re.findall(rf"^(?:{SECTIONS}):.*\n?(?:^[ #].*\n?)*", profile, re.MULTILINE)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to write profiles to, with the secrets they name."""
    folder = tmp_path_factory.mktemp("desk")
    for text in (profile for document in PRESENT for profile in profiles(read(document))):
        for name in re.findall(r"\{file: ([\w.]+)\}", text):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(f"alice:{'0' * 32}" if name.endswith(".users") else "secret")
    return folder


def wrong_profiles(document: Document, desk: Path) -> Iterator[str]:
    for text in profiles(document):
        method = "" if re.search(r"^methods?:", text, re.MULTILINE) else "method: {type: tsp, broker: 192.0.2.1}\n"
        (desk / "profile.yaml").write_text(method + text)
        try:
            load_profile(desk / "profile.yaml", registry())
        except TunnelError as error:
            yield str(error)


def wrong_settings(document: Document) -> Iterator[str]:
    """A span like `network: {dns: true}` says keys of a profile, and a value that the first takes."""
    for span in spans(document.text):
        if not re.match(r"[a-z][a-z0-9_]*:(?: |$)", span) or span.startswith(SUBJECTS):
            continue
        name, value = span.split(":", 1)
        if missing := {name, *re.findall(r"(\w+): ", value)} - keys().keys():
            yield f"{span}: no key {missing}"
        elif value and "..." not in value and not any(takes(schema, value) for schema in keys()[name]):
            yield f"{span}: no such value"


def takes(schema: Schema, value: str) -> bool:
    """True if a key takes a value, which a profile may read as a word where YAML 1.1 reads more."""
    validator = jsonschema.Draft202012Validator(schema)
    return any(validator.is_valid(read) for read in (yaml.safe_load(value), value.strip()))


def wrong_dotted_keys(document: Document) -> Iterator[str]:
    for span in spans(document.text):
        if dotted := re.fullmatch(rf"({SECTIONS})\.(\w+)", span):
            model = ProfileFile.model_fields[dotted[1]].annotation
            if dotted[2] not in getattr(model, "model_fields", {}):
                yield span


def wrong_keys_in_tables(document: Document) -> Iterator[str]:
    for table in tables(document.text):
        if table.head[0] == "key":
            listed = (key for row in table.rows for key in spans(row[0]))
            yield from (key for key in listed if key.partition(":")[0] not in keys())


# The repository


def wrong_files(document: Document) -> Iterator[str]:
    """A file is named from the root, the document, the package or a plugin's package; a module also by itself."""
    tops = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and path.name != ".venv")
    named = re.compile(rf"(?<![\w./@<-])(?:(?:{tops})/[\w./@<>*-]*[\w/>*]|[\w/-]+\.py)(?![\w/])")
    folders = [ROOT, document.folder, ROOT / "tunnelmgr", *document.folder.glob("tunnelmgr_*")]
    for path in {path for line in code(document.text) for path in named.findall(line)} - NOT_OURS:
        pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
        if not any(next(folder.glob(pattern), None) for folder in folders) and path not in modules():
            yield path


@cache
def modules() -> frozenset[str]:
    """Return the file names of all Python modules of the repository."""
    folders = ("tunnelmgr", "plugins", "examples", "tests", "tools", "benchmarks")
    return frozenset(file.name for folder in folders for file in (ROOT / folder).rglob("*.py"))


def wrong_modules_in_tables(document: Document) -> Iterator[str]:
    """A plugin's README lists its modules."""
    for table in tables(document.text):
        columns = [index for index, head in enumerate(table.head) if head in {"file", "modules"}]
        for name in (name for row in table.rows for column in columns for name in spans(row[column])):
            pattern = f"tunnelmgr_*/**/{name}" if name.endswith("/") else f"tunnelmgr_*/**/{name}.py"
            if not any(document.folder.glob(pattern)):
                yield name


def wrong_dotted_names(document: Document) -> Iterator[str]:
    """A dotted name is a module or stands in one, is a group of entry points or a schema."""
    others = {PLUGINS, TRANSPORTS, "tunnelmgr.commands", *(f"tunnelmgr.{name}" for name in SCHEMAS)}
    dotted = re.compile(r"(?<![\w./])((?:tunnelmgr(?:_\w+)?|benchmarks|tests|tools)(?:\.[A-Za-z_]\w*)+)(?![\w/@-])")
    for name in {name for line in code(document.text) for name in dotted.findall(line)} - others:
        if name.rpartition(".")[2] not in {"md", "py", "yaml"} and thing(name) is None:
            yield name


def thing(name: str) -> object:
    """Return the module of this name, or what stands in one, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        module, _, last = name.rpartition(".")
        return getattr(thing(module), last, None) if module else None


def wrong_hooks(document: Document) -> Iterator[str]:
    yield from (hook for hook in re.findall(r"\btunnelmgr_register_\w+", document.text) if not hasattr(hookspecs, hook))


def wrong_variables(document: Document) -> Iterator[str]:
    yield from set(re.findall(r"\bTUNNELMGR_\w+", document.text)) - variables()


@cache
def variables() -> set[str]:
    """Return the variables of the environment that the code reads, the tests' own included."""
    sources = [ROOT / "conftest.py", *(ROOT / "tunnelmgr").rglob("*.py")]
    return {name for source in sources for name in re.findall(r"\"(TUNNELMGR_\w+)\"", source.read_text())}


# What scripts rely on


def wrong_conditions(document: Document) -> Iterator[str]:
    yield from set(re.findall(r"TM-H\d+", document.text)) - {code.value for code in Code}


def wrong_exit_codes(document: Document) -> Iterator[str]:
    known = {str(code.value) for code in ExitCode}
    for told in re.findall(r"\b[Ee]xit codes?\b(?:[^.]|\.(?!\s))*", document.text):
        yield from set(re.findall(r"(?<![\w./-])\d{1,3}(?!\.?\w|[/-])", told)) - known
    yield from set(re.findall(r"\bexits?\s(?:with\s)?(\d+)", document.text)) - known


CHECKS: list[Callable[[Document], Iterator[str]]] = [
    wrong_commands,
    wrong_options,
    wrong_targets,
    wrong_settings,
    wrong_dotted_keys,
    wrong_keys_in_tables,
    wrong_files,
    wrong_modules_in_tables,
    wrong_dotted_names,
    wrong_hooks,
    wrong_variables,
    wrong_conditions,
    wrong_exit_codes,
]


def read(path: Path) -> Document:
    text = path.read_text()
    for section in ELSEWHERE:
        text = without_section(text, section)
    return Document(text, path.parent)


@pytest.mark.parametrize("path", PRESENT, ids=name_of)
def test_what_a_document_mentions_exists(path: Path) -> None:
    assert {check.__name__: wrong for check in CHECKS if (wrong := sorted(check(read(path))))} == {}


@pytest.mark.parametrize("path", PRESENT, ids=name_of)
def test_a_profile_in_a_document_is_valid(path: Path, desk: Path) -> None:
    assert list(wrong_profiles(read(path), desk)) == []


@pytest.mark.parametrize(
    ("check", "text", "wrong"),
    [
        (wrong_commands, "    tunnelmgr statsu home", ["statsu home: no command ['statsu']"]),
        (wrong_commands, "    tunnelmgr lab exec a tunnelmgr up --fast b", ["up --fast b: no option {'--fast'}"]),
        (wrong_commands, "Type `lab up|raze`.", ["lab up|raze: no command ['raze']"]),
        (
            wrong_commands,
            "    tunnelmgr status   # all of them; --peer",
            ["status   # all of them; --peer: no option {'--peer'}"],
        ),
        (wrong_commands, "| group | commands |\n|---|---|\n| x | `up [PROFILE]`, `raze` |\n", ["raze: no command ['raze']"]),
        (wrong_options, "With `--peer N`.", ["--peer N"]),
        (wrong_targets, "Say `make tests`.", ["tests"]),
        (wrong_settings, "Write `lann: {}`.", ["lann: {}: no key {'lann'}"]),
        (wrong_settings, "Write `network: {dsn: true}`.", ["network: {dsn: true}: no key {'dsn'}"]),
        (wrong_settings, "Write `datapath: fast`.", ["datapath: fast: no such value"]),
        (wrong_dotted_keys, "See `network.prob`.", ["network.prob"]),
        (wrong_keys_in_tables, "| key | is |\n|---|---|\n| `serve`, `server` | x |\n", ["serve"]),
        (wrong_files, "See `docs/designs.md`, `api/tunnle.py`.", ["api/tunnle.py", "docs/designs.md"]),
        (wrong_modules_in_tables, "| file | what |\n|---|---|\n| `tunnle` | x |\n", ["tunnle"]),
        (wrong_dotted_names, "A `tunnelmgr.api.tunnel.Tunel`.", ["tunnelmgr.api.tunnel.Tunel"]),
        (wrong_hooks, "A `tunnelmgr_register_nothing`.", ["tunnelmgr_register_nothing"]),
        (wrong_variables, "Set TUNNELMGR_NOTHING.", ["TUNNELMGR_NOTHING"]),
        (wrong_conditions, "It is TM-H999.", ["TM-H999"]),
        (wrong_exit_codes, "It exits 99. Exit codes: 0, 98.", ["98", "99"]),
    ],
)
def test_what_does_not_exist_is_found(check: Callable[[Document], Iterator[str]], text: str, wrong: list[str]) -> None:
    assert sorted(check(Document(text))) == wrong


def test_a_profile_that_is_not_valid_is_found(desk: Path) -> None:
    assert len(list(wrong_profiles(Document("    method: {type: teredo, servre: 192.0.2.1}"), desk))) == 1
