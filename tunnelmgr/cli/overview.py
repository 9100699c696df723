"""The profiles of this host and the processes that run them, found by the words users type."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.core.profiles.paths import SHIPPED, find_profile, is_path, known_profiles, profile_folders
from tunnelmgr.core.running.snapshot import Snapshot
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.client import ControlClient, NotRunningError, running
from tunnelmgr.daemon.health import KILLED, Symptom, silent, symptoms

STOPPED = "stopped"
"""The state of a profile no process runs; the others are those of `State`."""
UNKNOWN = "unknown"
"""The state of a profile whose process does not answer."""


@dataclass(frozen=True, slots=True)
class ProfileStatus:
    """One profile as `status` shows it."""

    name: str
    file: str | None
    """None when its process was killed: nobody is left to tell."""
    state: str
    """"stopped", "unknown", or the state its process tells."""
    snapshot: Snapshot | None
    symptoms: tuple[Symptom, ...] = ()

    @classmethod
    def of(cls, snapshot: Snapshot) -> "ProfileStatus":
        """Return the status of a running profile."""
        return cls(snapshot.name, snapshot.file, snapshot.condition.state.value, snapshot, symptoms(snapshot))


@dataclass(frozen=True, slots=True)
class Statuses:
    """What `status` shows."""

    profiles: tuple[ProfileStatus, ...]


def status_of(word: str, runtime: Runtime) -> ProfileStatus:
    """Return the status of the profile a word means. Raises TunnelError NO_PROFILE when it means none."""
    client = client_of(word, runtime)
    if client is None:
        return _stopped(find_profile(word))
    return _asked(client)


def status_of_all(runtime: Runtime) -> tuple[ProfileStatus, ...]:
    """Return the status of every profile with a process, or a trace of one, then of those that could be brought up.

    The profiles shipped with tunnelmgr are examples: they count only while they run.
    """
    found = [_asked(client) for client in running(runtime.runtime_dir)]
    folders = tuple(folder for folder in profile_folders() if folder != SHIPPED)
    files = [find_profile(name, folders) for name in known_profiles(folders)]
    shown = {status.name for status in found} | {status.file for status in found}
    idle = [_stopped(file) for file in files if not shown & {file.stem, str(file)}]
    return (*found, *idle)


def client_of(word: str, runtime: Runtime) -> ControlClient | None:
    """Return the way to the process that runs the profile a word means; None when none does.

    A name means a running profile first, whatever file it came from; a path means the profile running from that file.
    """
    if not is_path(word):
        if client := next((client for client in running(runtime.runtime_dir) if client.name == word), None):
            return client
        # To ask who runs it, an example is a profile like any other: `down home` twice is fine.
        return _running_from(find_profile(word, (*profile_folders(), SHIPPED)), runtime)
    return _running_from(Path(word), runtime)


def running_client(word: str, runtime: Runtime) -> ControlClient:
    """Return the way to the process that runs the profile a word means. Raises TunnelError NOT_UP when none does."""
    if client := client_of(word, runtime):
        return client
    raise TunnelError(f"{word} is not running", hint=f"bring it up: tunnelmgr up {word}", exit_code=ExitCode.NOT_UP)


def _running_from(file: Path, runtime: Runtime) -> ControlClient | None:
    for client, snapshot in _answering(runtime):
        if Path(snapshot.file).resolve() == file.resolve():
            return client
    return None


def _answering(runtime: Runtime) -> Iterator[tuple[ControlClient, Snapshot]]:
    for client in running(runtime.runtime_dir):
        try:
            yield client, client.status()
        except TunnelError:  # killed, or hanging: `status` tells
            continue


def _stopped(file: Path) -> ProfileStatus:
    return ProfileStatus(file.stem, str(file), STOPPED, None)


def _asked(client: ControlClient) -> ProfileStatus:
    try:
        return ProfileStatus.of(client.status())
    except NotRunningError:
        return ProfileStatus(client.name, None, STOPPED, None, (KILLED,))
    except TunnelError as error:
        return ProfileStatus(client.name, None, UNKNOWN, None, (silent(error),))


def the_only_one(runtime: Runtime) -> ControlClient | None:
    """Return the way to the one running profile; None when none runs. Raises TunnelError when several do."""
    names = [client.name for client, _ in _answering(runtime)]
    if len(names) > 1:
        raise TunnelError(f"several profiles are up: {', '.join(names)}", hint="say which one", exit_code=ExitCode.USAGE)
    return ControlClient(runtime.socket(names[0])) if names else None
