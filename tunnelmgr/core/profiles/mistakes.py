"""What is wrong with one file: collected while it is read, shown all at once with the lines of the file.

A line that is shown may contain a secret: those known by validation are masked, and so is what stands behind a key whose
name suggests one, since in a file that cannot be validated nothing is known.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.texts import printable
from tunnelmgr.core.profiles.problem import Problem, ProblemSeverity, ProfileError
from tunnelmgr.core.profiles.yamlfile import Document, Fault, ScalarNode, Span, scalars

SHOWN_MAX = 50  # mistakes of one file; ours
EXCERPT_MAX = 200  # characters of a line that is shown; ours
SENTENCE_MAX = 400  # characters; ours
_SUSPECT = re.compile(
    r"""(?xi) [\w-]* (?: pass | pwd | secret | key | token | psk ) [\w-]* ["']? \s* : \s+
        ( "[^"]*"? | '[^']*'? | [^\s{\[&*#"'][^,}\#]* )"""
)


class ProfileMistakes:
    """The mistakes in one file."""

    def __init__(self, path: Path, document: Document) -> None:
        """Begin with what reading the YAML found."""
        self._path = path
        self._document = document
        self._faults = list(document.faults)
        self._oddities: list[Fault] = []
        self._broken: TunnelError | None = None
        self.inline_secrets: set[str] = set()
        """Texts that stand in the file and are not to be shown."""

    def add(self, place: Span, message: str, hint: str = "") -> None:
        """Note a mistake at a place."""
        self._faults.append(Fault(place, message, hint))

    def extend(self, faults: Iterable[Fault]) -> None:
        """Note several mistakes."""
        self._faults.extend(faults)

    def warn(self, faults: Iterable[Fault]) -> None:
        """Note what is accepted, and surely not meant."""
        self._oddities.extend(faults)

    def add_broken(self, error: TunnelError) -> None:
        """Note that a plugin the file needs does not work, which is no mistake of the file's."""
        self._broken = self._broken or error

    def error(self) -> TunnelError | None:
        """Return a ProfileError with every mistake; without one, what a broken plugin said."""
        # One fault a place: what follows from the first one is noise.
        first = {(fault.place.line, fault.place.column): fault for fault in reversed(self._faults)}
        shown = sorted(first)[:SHOWN_MAX]
        problems = [self._problem(first[place], ProblemSeverity.ERROR) for place in shown]
        if len(first) > SHOWN_MAX:
            problems.append(
                self._problem(Fault(Span(0, 0), "there are more mistakes", "mend these first"), ProblemSeverity.ERROR)
            )
        return ProfileError(problems) if problems else self._broken

    def warnings(self) -> tuple[Problem, ...]:
        """Return what is accepted, but better done otherwise."""
        hint = "put it into a file of mode 0600 and write {file: NAME}"
        secrets = [Fault(node.place, "a secret stands in the profile", hint) for node in self._secret_nodes()]
        faults = sorted([*secrets, *self._oddities], key=lambda fault: (fault.place.line, fault.place.column))
        return tuple(self._problem(fault, ProblemSeverity.WARNING) for fault in faults[:SHOWN_MAX])

    def _problem(self, fault: Fault, severity: ProblemSeverity) -> Problem:
        place = fault.place
        return Problem(
            file=str(self._path),
            line=place.line,
            column=place.column,
            severity=severity,
            message=_clipped(fault.message),
            hint=_clipped(fault.hint),
            excerpt=self._excerpt(place.line),
            length=place.length,
        )

    def _excerpt(self, number: int) -> str:
        """Return a line as it may be shown, nothing for line 0 or one too long to read; columns stay what they are."""
        line = "".join(self._document.lines[number - 1 : number]) if number else ""
        if len(line) > EXCERPT_MAX:
            return ""
        for node in self._secret_nodes():
            if node.place.line == number:
                line = _masked(line, node.place.column - 1, node.place.length)
        for match in list(_SUSPECT.finditer(line)):
            line = _masked(line, match.start(1), len(match[1].rstrip()))
        return "".join(one if one.isprintable() else " " if one == "\t" else "?" for one in line).rstrip()

    def _secret_nodes(self) -> list[ScalarNode]:
        return [node for node in scalars(self._document.root) if node.text in self.inline_secrets]


def _clipped(text: str) -> str:
    """Return a sentence on one line, without what a long value would add to it."""
    shown = printable(text)
    return shown if len(shown) <= SENTENCE_MAX else f"{shown[: SENTENCE_MAX // 2]} ... {shown[-SENTENCE_MAX // 2 :]}"


def _masked(line: str, start: int, length: int) -> str:
    return line[:start] + "*" * length + line[start + length :]
