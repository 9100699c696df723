"""The control socket: who may ask what, and what is answered."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.churn import KEPT_MAX, kept_of_each
from tests.process.conftest import PATIENCE, ROOT, Start, wait_until
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.core.condition import UP, Progress, State
from tunnelmgr.daemon.claim import AlreadyClaimedError, claim, is_claimed, remove_stale
from tunnelmgr.daemon.client import ControlClient, NotRunningError, running
from tunnelmgr.daemon.messages import Change, Ended, Refusal, Request, Word, parse, serialize

NOBODY = 65534
IDLE_SOCKETS = 4  # two that listen (one description), two of the event loop

Process = subprocess.Popen[str]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


def test_status_tells_the_snapshot_and_where_the_log_is(home: Process, path: Path) -> None:
    snapshot = ControlClient(path).status()
    assert (snapshot.name, snapshot.pid) == ("home", home.pid)
    assert snapshot.running
    assert snapshot.running.addresses == ("2001:db8::1",)
    assert snapshot.log == "the log"


def test_who_follows_late_hears_the_story_from_the_beginning_and_the_present_state(home: Process, path: Path) -> None:
    wait_until(lambda: ControlClient(path).status().condition.state is State.UP)
    story = ControlClient(path).follow(PATIENCE)
    assert [next(story) for _ in range(3)] == [
        Progress("starting", "starting, fake"),
        Progress("up", "tm-home 2001:db8::1"),
        Change(UP),
    ]


def test_who_follows_hears_the_end(home: Process, path: Path) -> None:
    story = ControlClient(path).follow(PATIENCE)
    next(story)
    home.terminate()
    assert list(story)[-1] == Ended(ExitCode.DONE)


def test_a_process_that_dies_without_a_word_has_ended_with_a_bug(home: Process, path: Path) -> None:
    story = ControlClient(path).follow(PATIENCE)
    next(story)
    home.kill()
    assert list(story)[-1] == Ended(ExitCode.BUG, "the process of home died", "its log may say why")


def test_stop_is_answered_when_the_name_is_free_again(home: Process, path: Path) -> None:
    ControlClient(path).stop()
    assert not path.exists()
    assert home.wait(PATIENCE) == ExitCode.DONE


def test_a_command_reaches_the_tunnel(home: Process, path: Path) -> None:
    assert ControlClient(path).command("renew", {"lease": 1}) == {"name": "renew", "lease": 1}


def test_a_command_that_crashes_is_told_and_harms_nobody(home: Process, path: Path) -> None:
    with pytest.raises(TunnelError, match="a bug in a plugin") as caught:
        ControlClient(path).command("crash", {})
    assert caught.value.exit_code is ExitCode.BUG
    assert ControlClient(path).status().condition.state is State.UP


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b'{"request":{"word":"explode"}}\n', b"\xff\xfe\n", b'{"answer":{"data":{}}}\n']
)
def test_nonsense_is_refused_and_harms_nobody(home: Process, path: Path, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        connection.sendall(line)
        assert isinstance(parse(connection.recv(65536)), Refusal)
    assert ControlClient(path).status().condition.state is State.UP


def test_a_line_without_end_is_not_kept(home: Process, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        connection.sendall(b"x" * 70000)
        assert closed(connection)


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_one_process_runs_a_profile(home: Process, path: Path) -> None:
    with pytest.raises(AlreadyClaimedError):
        claim(path)


def test_the_socket_of_a_killed_process_is_replaced(home: Process, path: Path) -> None:
    home.kill()
    home.wait()
    assert path.exists()
    with pytest.raises(NotRunningError):
        ControlClient(path).status()
    held = claim(path)
    assert is_claimed(path)
    held.release()
    assert not path.exists()


def test_releasing_leaves_the_socket_of_a_successor(tmp_path: Path) -> None:
    path = tmp_path / "home.sock"
    first = claim(path)
    path.unlink()
    second = claim(path)
    first.release()
    assert is_claimed(path)
    second.release()


def test_cleaning_up_removes_stale_sockets_only(home: Process, path: Path, tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "office.sock"))
    stale.close()
    remove_stale(tmp_path)
    assert [client.name for client in running(tmp_path)] == ["home"]


@pytest.mark.requirement("T-SE-006", "T-SE-007")
def test_everyone_may_read(home: Process, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o666


@pytest.mark.requirement("T-SE-006", "T-SE-007")
@needs_root
def test_a_stranger_may_read_but_not_change(home: Process, path: Path) -> None:
    wait_until(lambda: ControlClient(path).status().condition.state is State.UP)
    assert as_nobody(path, "print(client.status().condition.state.value)") == (0, "up\n")
    assert as_nobody(path, "client.stop()") == (ExitCode.NO_PERMISSION, f"user {NOBODY} may not stop home; use sudo\n")
    assert as_nobody(path, "client.command('renew', {})")[0] == ExitCode.NO_PERMISSION
    assert ControlClient(path).status().condition.state is State.UP


@needs_root
@pytest.mark.parametrize("mode", [0o700, 0o711])
def test_who_may_not_look_is_told_so_and_not_that_nothing_runs(home: Process, path: Path, mode: int) -> None:
    assert as_nobody(path, "print(len(running(Path('.'))))") == (0, "1\n")
    assert as_nobody(path, "running(Path('.'))", mode) == (
        ExitCode.NO_PERMISSION,
        ".: Permission denied; which tunnels are up is told there; use sudo, or as root: chmod 755 .\n",
    )


def as_nobody(path: Path, statement: str, mode: int = 0o755) -> tuple[int, str]:
    # Entered before root is given up: the folders above are root's alone.
    path.parent.chmod(mode)
    program = f"""
import sys
from pathlib import Path
from tunnelmgr.api.errors import TunnelError
from tunnelmgr.daemon.client import ControlClient, running
import tunnelmgr.core.running.snapshot, json, os
path = Path({str(path)!r})
client = ControlClient(Path(path.name))
os.chdir(path.parent)
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
try:
    {statement}
except TunnelError as error:
    print(error)
    sys.exit(error.exit_code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert not done.stderr
    return done.returncode, done.stdout


@needs_root
def test_strangers_cannot_lock_the_owner_out(home: Process, path: Path) -> None:
    hold = "held = [client.connect(5) for _ in range(40)]\n    client.status()"
    code, text = as_nobody(path, hold)
    assert code == ExitCode.FAILED
    assert "did not answer" in text
    assert ControlClient(path).status().name == "home"


def test_followers_that_went_away_are_forgotten(home: Process, path: Path) -> None:
    wait_until(lambda: ControlClient(path).status().condition.state is State.UP)
    wait_until(lambda: open_sockets(home.pid) == IDLE_SOCKETS)
    followers = [ControlClient(path).follow(PATIENCE) for _ in range(3)]
    for follower in followers:
        next(follower)
    assert open_sockets(home.pid) == IDLE_SOCKETS + 3
    for follower in followers:
        follower.close()
    wait_until(lambda: open_sockets(home.pid) == IDLE_SOCKETS)


def open_sockets(pid: int) -> int:
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we look
            found += os.readlink(descriptor).startswith("socket:")
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGXCPU])
def test_a_signal_ends_in_good_order(home: Process, path: Path, number: signal.Signals) -> None:
    wait_until(lambda: ControlClient(path).status().condition.state is State.UP)
    home.send_signal(number)
    assert home.wait(PATIENCE) == ExitCode.DONE
    assert not path.exists()


def test_other_signals_change_nothing_and_the_log_says_what_does(home: Process, path: Path) -> None:
    wait_until(lambda: ControlClient(path).status().condition.state is State.UP)
    others = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO]
    for number in (*others, signal.SIGPWR, signal.SIGRTMIN, signal.SIGRTMAX):
        home.send_signal(number)
        assert ControlClient(path).status().condition.state is State.UP
    home.terminate()
    assert home.wait(PATIENCE) == 0
    said = home.stderr.read() if home.stderr else ""
    assert "SIGUSR1 changes nothing: `tunnelmgr down` ends a tunnel, and `up` after it reads the profile anew" in said


def test_a_second_signal_ends_what_does_not_end(start: Start, path: Path) -> None:
    stubborn = start("foreground", "stubborn")
    wait_until(lambda: is_claimed(path) and ControlClient(path).status().condition.state is State.STARTING)
    stubborn.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        stubborn.wait(0.2)
    stubborn.send_signal(signal.SIGINT)
    assert stubborn.wait(PATIENCE) == ExitCode.FAILED
    assert not path.exists()


STATUS, FOLLOW = (serialize(Request(word)) for word in (Word.STATUS, Word.FOLLOW))


@pytest.mark.parametrize("said", [b"", b"jun", STATUS, FOLLOW], ids=["nothing", "half a line", "status", "follow"])
def test_connections_by_the_ten_thousand_leave_nothing(home: Process, path: Path, said: bytes) -> None:
    def begin(_: int) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        connection.sendall(said)
        if said.endswith(b"\n"):
            connection.recv(1)  # who closes with something unread resets
        return connection

    wait_until(lambda: ControlClient(path).status().condition.state is State.UP)
    assert kept_of_each(ControlClient(path), begin) < KEPT_MAX
