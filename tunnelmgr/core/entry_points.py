"""The entry points of what is installed. One distribution with broken metadata takes none of the others away."""

from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, EntryPoint, distributions


def entry_points(*groups: str) -> tuple[list[EntryPoint], Mapping[str, str]]:
    """Return the entry points of some groups, and why each distribution could not be read that could not."""
    found: dict[tuple[str, str, str], EntryPoint] = {}
    unreadable = {}
    for distribution, entries in _read():
        if isinstance(entries, Exception):
            unreadable[distribution] = f"{type(entries).__name__}: {entries}"
            continue
        for entry in entries:
            if entry.group in groups:
                # An installation that is shadowed by another one says the same again.
                found.setdefault((entry.group, entry.name, entry.value), entry)
    return list(found.values()), unreadable


def origin(entry: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution an entry point comes from; nothing where it does not say."""
    try:
        return (entry.dist.name, entry.dist.version) if entry.dist else ("", "")
    except Exception:
        return "", ""


def _read() -> Iterator[tuple[str, list[EntryPoint] | Exception]]:
    for distribution in distributions():
        try:
            yield "", list(distribution.entry_points)
        except Exception as error:
            yield _place(distribution), error


def _place(distribution: Distribution) -> str:
    return str(getattr(distribution, "_path", distribution))  # its name may be what cannot be read
