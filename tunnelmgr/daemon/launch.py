"""Makes this process, or a child of it, the one that runs a profile; joins the one there is."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.api.network import Network
from tunnelmgr.core.choosing.choice import Survey
from tunnelmgr.core.condition import Progress, State
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.core.running.lifecycle import Lifecycle
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon import process
from tunnelmgr.daemon.claim import AlreadyClaimedError, Claim, claim
from tunnelmgr.daemon.client import ControlClient
from tunnelmgr.daemon.detach import Tell, accompany, not_up_in_time, up_detached
from tunnelmgr.daemon.logs import log_detached, log_to_stderr
from tunnelmgr.daemon.messages import Ended
from tunnelmgr.daemon.readiness import Readiness
from tunnelmgr.host.linux.host import LinuxHost


def in_foreground(profile: Profile, plugins: PluginRegistry) -> ExitCode:
    """Be the profile's process until it ends. What goes wrong is in its log, which is standard error.

    Raises TunnelError when another process runs the profile.
    """
    runtime = Runtime.from_environment()
    try:
        held = claim(runtime.socket(profile.name))
    except AlreadyClaimedError as error:
        raise _running_already(profile, ControlClient(runtime.socket(profile.name))) from error
    return _run(profile, plugins, runtime, held, log_to_stderr(), patient=True).exit_code


def detached(profile: Profile, plugins: PluginRegistry, timeout: float, *, keep: bool, tell: Tell) -> None:
    """Start the profile's process, or join the one there is, and stay until the profile is up.

    Raises TunnelError when it is not up within `timeout` seconds; what this call started is undone then, unless `keep`.
    """
    runtime = Runtime.from_environment()
    try:
        held = claim(runtime.socket(profile.name))
    except AlreadyClaimedError:
        _join(profile, ControlClient(runtime.socket(profile.name)), timeout, tell)
        return
    log = log_detached(profile.name, runtime.log(profile.name))
    work = partial(_run, profile, plugins, runtime, held, log, patient=keep)
    up_detached(held, work, timeout=timeout, keep=keep, log=log, tell=tell)


def _run(profile: Profile, plugins: PluginRegistry, runtime: Runtime, held: Claim, log: str, *, patient: bool) -> Ended:
    def begin(on_progress: Callable[[Progress], None]) -> Lifecycle:
        listener = partial(plugins.tunnel_event, profile.name)
        return Lifecycle(profile, LinuxHost(), runtime, on_progress, listener, detect=_look, patient=patient)

    return process.run(begin, held, Readiness.from_environment(), log)


async def _look(profile: Profile, network: Network) -> Survey:
    from tunnelmgr.detect.running import survey  # STUN takes a third of a second to import, and few profiles need it

    return await survey(profile, network)


def _join(profile: Profile, client: ControlClient, timeout: float, tell: Tell) -> None:
    """Wait for the process there is. Scripts call `up` twice: a profile that is up, from the same file, is not an error."""
    snapshot = client.status()
    if not _same_file(profile, snapshot.file):
        raise _running_already(profile, client)
    if snapshot.condition.state is State.UP:
        tell(f"{profile.name}: already up")
    elif unfinished := accompany(profile.name, client.follow(timeout), tell):
        raise not_up_in_time(
            profile.name, timeout, unfinished, f"it was running before and goes on trying; log: {snapshot.log}"
        )


def _running_already(profile: Profile, client: ControlClient) -> TunnelError:
    snapshot = client.status()
    if _same_file(profile, snapshot.file):
        return TunnelError(
            f"{profile.name} is already running (pid {snapshot.pid})", hint=f"see: tunnelmgr status {profile.name}"
        )
    return TunnelError(
        f"{profile.file}: a profile of the name {profile.name} is already running from {snapshot.file}",
        hint="take that one down, or write another `name:` into this one",
    )


def _same_file(profile: Profile, other: str) -> bool:
    return profile.file.resolve() == Path(other).resolve()
