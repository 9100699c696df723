"""`up` without `-f`: a child becomes the profile's process; the parent tells its story until packets flow, then leaves.

One fork and a session of its own are enough: the parent ends soon, and init adopts the child.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.core.condition import Condition, Progress, State
from tunnelmgr.daemon.claim import Claim
from tunnelmgr.daemon.client import ControlClient
from tunnelmgr.daemon.messages import Change, Chapter, Ended

logger = logging.getLogger(__name__)

Tell = Callable[[str], None]
"""Shows a line of progress to the user."""


def up_detached(claim: Claim, work: Callable[[], Ended], *, timeout: float, keep: bool, log: str, tell: Tell) -> None:
    """Start `work` in a process of its own, which inherits the claim, and return when the profile is up.

    Raises TunnelError when it ended, or was not up within `timeout` seconds; unless `keep`, everything is undone then, as
    it is on Ctrl-C. `log` says where the child's log is.
    """
    client = ControlClient(claim.path)
    connection = client.connect(timeout)  # before the fork: a child that fails at once is heard too
    # Held back until the child has left the terminal's process group and the parent can undo.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = _fork(work, connection)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        claim.socket.close()  # the child has inherited it
        with connection:
            unfinished = accompany(client.name, client.story(connection, timeout), tell)
    except TunnelError as error:
        raise TunnelError(error.message, hint=_and_log(error.hint, log), exit_code=error.exit_code) from error
    except KeyboardInterrupt:
        _undo(client, child, lambda: tell(f"{client.name}: interrupted, undoing everything"))
        raise
    if unfinished is None:
        return
    if not keep:
        _undo(client, child)
    aftermath = "it goes on trying" if keep else "everything was undone"
    raise not_up_in_time(client.name, timeout, unfinished, _and_log(aftermath, log))


def accompany(name: str, story: Iterable[Chapter], tell: Tell) -> Change | None:
    """Tell a story until the profile is up. Return None then, or how it stands when the story stops before.

    Raises TunnelError when the process ends first.
    """
    last = Change(Condition(State.STARTING))
    for chapter in story:
        match chapter:
            case Progress(text=text):
                tell(f"{name}: {text}")
            case Change(condition=Condition(state=State.UP)):
                return None
            case Change():
                last = chapter
            case Ended(exit_code=ExitCode.DONE):
                raise TunnelError(f"{name} was taken down before it was up")
            case Ended():
                raise TunnelError(f"{name}: {chapter.reason}", hint=chapter.hint, exit_code=chapter.exit_code)
    return last


def not_up_in_time(name: str, timeout: float, last: Change, aftermath: str) -> TunnelError:
    """Return what `up` ends with when its patience ends."""
    reason = f": {last.condition.reason}" if last.condition.reason else ""
    hint = f"{last.condition.hint}; {aftermath}" if last.condition.hint else aftermath
    return TunnelError(f"{name} is not up after {timeout:g} s{reason}", hint=hint, exit_code=last.exit_code)


def _and_log(hint: str, log: str) -> str:
    return f"{hint}; log: {log}" if hint else f"log: {log}"


def _fork(work: Callable[[], Ended], connection: socket.socket) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    exit_code = ExitCode.BUG
    try:
        os.setsid()
        connection.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.chdir("/")
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        exit_code = work().exit_code
    except BaseException:
        logger.exception("this is a bug")  # standard error is gone
    finally:
        os._exit(exit_code)


def _undo(client: ControlClient, child: int, announce: Callable[[], None] = lambda: None) -> None:
    """End the child in good order, or, when it does not or the user has no patience, at once."""
    try:
        announce()
        client.stop()
    except (TunnelError, KeyboardInterrupt) as error:
        if _ended(child):
            return
        os.kill(child, signal.SIGKILL)
        raise TunnelError(f"{client.name} had to be killed", hint="run `tunnelmgr cleanup`") from error


def _ended(child: int) -> bool:
    return os.waitpid(child, os.WNOHANG)[0] == child
