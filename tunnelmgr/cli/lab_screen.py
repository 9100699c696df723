"""What `lab` prints. Pure."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from tunnelmgr.cli import render
from tunnelmgr.lab.namespaces.programs import Program
from tunnelmgr.lab.readymade.scenario import Scenario
from tunnelmgr.lab.readymade.state import HostState, LabState, RouterState
from tunnelmgr.lab.vocabulary import LINK_MTU

DEFAULT_LAB = "lab"
"""What a lab is called that nobody has named."""
_WORDS_WIDTH = 60  # characters of a command line


def built(lab: str) -> str:
    """Return what a user reads when a lab stands."""
    name = "" if lab == DEFAULT_LAB else f" --lab {lab}"
    return f"""\
{lab}: up. What to do in it:
  tunnelmgr lab exec{name} client1 tunnelmgr up home
  tunnelmgr lab shell{name} client1
  tunnelmgr lab status{name}
  tunnelmgr lab down{name}"""


def screen(state: LabState) -> str:
    """Return the screen of a lab."""
    rows = [("host", "what", "addresses", "runs"), *(row for host in state.hosts for row in _rows(host))]
    return "\n".join([f"{state.lab}: what its programs write is in {state.folder}", *render.columns(rows, indent="  ")])


def scenarios(known: Iterable[Scenario]) -> str:
    """Return the list of scenarios."""
    return "\n".join(render.columns([(scenario.name, scenario.title) for scenario in known]))


def _rows(host: HostState) -> Iterable[tuple[str, ...]]:
    """A row for each address and each program, side by side."""
    addresses = list(host.addresses)
    programs = [spoken(program) for program in host.programs]
    lines = max(1, len(addresses), len(programs))
    what = host.purpose + (f": {_router(host.router)}" if host.router else "")
    for number in range(lines):
        first = (host.name, what) if number == 0 else ("", "")
        yield (*first, _nth(addresses, number), _nth(programs, number))


def _router(router: RouterState) -> str:
    words = [router.nat]
    if router.delay:
        words.append(f"{router.delay * 1000:g} ms")
    if router.loss:
        words.append(f"loses {router.loss * 100:g} %")
    if router.mtu != LINK_MTU:
        words.append(f"MTU {router.mtu}")
    return ", ".join(words)


def spoken(program: Program) -> str:
    """Return a command line as somebody would have typed it, cut where it is long."""
    words = list(program.words)
    if len(words) > 1 and PurePath(words[0]).name.startswith("python") and not words[1].startswith("-"):
        del words[0]  # a script says what runs, not its interpreter
    line = " ".join([PurePath(words[0]).name, *words[1:]])
    return f"{line if len(line) <= _WORDS_WIDTH else line[: _WORDS_WIDTH - 3] + '...'} ({program.pid})"


def _nth(words: Sequence[str], number: int) -> str:
    return words[number] if number < len(words) else ""
