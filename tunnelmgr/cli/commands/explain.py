"""`tunnelmgr explain`."""

from collections.abc import Iterator, Sequence
from textwrap import fill, indent

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import options, render
from tunnelmgr.cli.terminal import say
from tunnelmgr.core.guess import closest
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.manual import Explained, Key, Section, find, manual

_WIDTH = 100  # characters of a line


@click.command()
@click.argument("key", required=False)
@options.as_json
def explain(key: str | None, *, as_json: bool) -> None:
    """Explain a key of a profile, or list all keys.

    KEY is a key, a section, or a key with its section before it: share, lan, lan.share, teredo.server.
    """
    sections = manual(PluginRegistry.from_environment())
    found = _found(sections, key) if key else Explained(sections)
    if as_json:
        say(render.envelope("explain", found))
    elif key:
        say("\n\n".join([*map(_key, found.keys), *map(_section, found.sections)]))
    else:
        say("\n".join(_names(sections)))


def _found(sections: Sequence[Section], word: str) -> Explained:
    found = find(sections, word)
    if found == Explained(()):
        paths = [path for section in sections for path in (section.path, *(key.path for key in section.keys))]
        guess = closest(word, [*paths, *(path.rpartition(".")[2] for path in paths)])
        names = f"sections are: {', '.join(section.path for section in sections)}"
        raise TunnelError(f"no key {word!r}", hint=f"{guess} {names}".lstrip(), exit_code=ExitCode.USAGE)
    return found


def _names(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        names = (key.path.removeprefix(f"{section.path}.") for key in section.keys)
        yield fill(f"{section.path}: {', '.join(names)}", _WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _section(section: Section) -> str:
    parts = [section.path, _wrapped(section.description), *(indent(_key(key), "    ") for key in section.keys)]
    return "\n\n".join([*parts, *([f"    Example:\n\n{indent(section.example, ' ' * 8)}"] if section.example else [])])


def _key(key: Key) -> str:
    example = [indent(f"Example: {key.example}", "    ")] if key.example else []
    return "\n".join([f"{key.path}: {key.facts}", _wrapped(key.description), *example])


def _wrapped(text: str) -> str:
    filled = (fill(paragraph, _WIDTH - 8, break_on_hyphens=False) for paragraph in text.split("\n\n"))
    return indent("\n\n".join(filled), "    ")
