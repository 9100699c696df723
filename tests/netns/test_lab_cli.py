"""`tunnelmgr lab` as its users type it: as root, and as a user who is not, in a user namespace.

A user without privileges is played by a process that has given all of them up, in a user namespace of its own.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunnelmgr.lab.namespaces import destroy, labs
from tunnelmgr.lab.namespaces.keeping import Keeper
from tunnelmgr.lab.readymade.topology import LAN_HOST, PUBLIC_HOSTS, WEB_NAME
from tunnelmgr.lab.waiting import wait_for

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
DEMO_TIMEOUT = 120.0  # seconds; what issue and README promise
NEED_A_PUBLIC_ADDRESS = {"sixinfour", "sixrd", "sixtofour"}
WITHOUT_FAR_SIDE = {"sixtofour"}  # nobody in the lab is a 6to4 relay
READ_THE_PAGE = f"import urllib.request as u; assert b'IPv6' in u.urlopen('http://{WEB_NAME}/', timeout=10).read()"
BEHIND_IT = [
    f"timeout 30 sh -c 'until tunnelmgr lab exec {LAN_HOST} ping -6 -c 1 -W 5 {WEB_NAME}; do sleep 0.2; done'",
    f'tunnelmgr lab exec {LAN_HOST} {sys.executable} -c "{READ_THE_PAGE}"',
]
AS_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")

UP = """\
client1$ tunnelmgr up home
home: starting, teredo, server teredo.example.net
home: NAT port-restricted, you appear as 203.0.113.1:<port>
home: qualified in <time>
home: tm-home <address>  MTU 1280, default route, inbound closed
home: carries packets: 2 of 2 probes, <time>, via relay 198.51.100.1"""
UP_SYMMETRIC = UP.replace("port-restricted", "symmetric")
THREE_PINGS = """\
client1$ ping -6 -c 3 -i 0.3 -W 5 ipv6-only.example.net
3 packets transmitted, 3 received, 0% packet loss"""
ONE_PING = """\
client1$ ping -6 -c 1 -W 2 ipv6-only.example.net
1 packets transmitted, 1 received, 0% packet loss"""
STATUS = "client1$ tunnelmgr status home\n<status>"
DOWN = "client1$ tunnelmgr down home\nhome: down"

DEMO = f"""
An internet of network namespaces, on this machine only:

    client1 --- NAT --- the IPv4 internet ---+--- server   teredo.example.net: tunnelmgr as Teredo server
                                             '--- relay    tunnelmgr as Teredo relay --- the IPv6 internet
                                                                                              |
                                                                    web   ipv6-only.example.net, has no IPv4

client1 has no IPv6:

client1$ ping -6 -c 1 -W 2 ipv6-only.example.net
ping: connect: Network is unreachable

With a tunnel. It looks at the NAT, gets an address, and says so:

{UP}

Now client1 reaches what has only IPv6:

{THREE_PINGS}
client1$ <fetch http://ipv6-only.example.net/>
<!doctype html>
<title>IPv6 only</title>
<p>This page has no IPv4 address. You read it through IPv6.</p>

Who carries the packets, and how:

client1$ tunnelmgr status home --peers
<status>

  peer           endpoint           path   heard    sent
  2001:db8:6::1  198.51.100.1:3545  relay  <time> ago  <time> ago
  2001:db8:1::1  198.51.100.1:3545  relay  <time> ago  <time> ago

And all of it is taken back:

{DOWN}

That was all real: namespaces, NAT, programs; and it is gone. Where to look next:

    tunnelmgr lab up --nat symmetric                  the same internet, to play with; then
    tunnelmgr lab exec client1 tunnelmgr up home
    tunnelmgr lab status                              who is there, and what runs
    tunnelmgr lab run                                 more stories: a NAT that changes, a server that dies
    README.md                                         a tunnel on the real internet
"""

STORIES = {
    "nat-change": f"""
{UP}
{THREE_PINGS}
*** the NAT of client1 becomes symmetric

The client finds out the next time it asks its server:

{STATUS}
{ONE_PING}
{DOWN}
""",
    "nat-restart": f"""
{UP_SYMMETRIC}
{THREE_PINGS}
*** the NAT of client1 restarts

With the mapping the Teredo address may be gone, too. Packets flow again when the client has asked its server:

{ONE_PING}
{DOWN}
""",
    "server-dies": f"""
{UP}
{THREE_PINGS}
*** power failure at server

The server carries no packets: whom the client knows already, it reaches until it misses the server.

{THREE_PINGS}
{STATUS}
*** server is back
client1$ tunnelmgr wait home --timeout 90
{ONE_PING}
{DOWN}
""",
    "roaming": f"""
{UP}
{THREE_PINGS}
*** the NAT of client1 gets the address 203.0.113.41

The Teredo address holds the router's address, so it changes with it:

{STATUS}
{ONE_PING}
{DOWN}
""",
}


class User:
    """Somebody at a shell, who has a name for a lab and a folder of their own."""

    def __init__(self, become: tuple[str, ...], lab: str, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self._become = become
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TUNNELMGR_LAB": lab,
            "TUNNELMGR_RUNTIME_DIR": str(folder),
        }

    def words(self, script: str) -> list[str]:
        return [*self._become, "sh", "-ec", script]

    def types(self, script: str, *, check: bool = True, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
        """Run lines of shell, all in one session."""
        done = subprocess.run(
            self.words(script),
            env=self._environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def begins(self, script: str) -> subprocess.Popen[str]:
        """Start lines of shell as a job of its own, as a terminal does."""
        return subprocess.Popen(
            self.words(script),
            env=self._environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def traces(self) -> list[str]:
        """What is there of the lab: namespaces, files, processes."""
        found = [lab for lab in labs() if lab == self.lab]
        found += [str(path) for path in self.folder.glob("labs/*")]
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                environment, line = path.read_bytes(), path.with_name("cmdline").read_bytes()
            except OSError:
                continue  # ended meanwhile
            if f"{self.folder}/" in (environment + line).decode(errors="replace"):
                found.append(line.replace(b"\0", b" ").decode())
        return found

    def leaves(self) -> list[str]:
        """The traces that stay, which are removed."""
        # A keeper whose command was interrupted while it started it ends when it has nobody to say "ready" to.
        deadline = time.monotonic() + 10
        while (left := self.traces()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for folder in self.folder.glob("labs/*"):
            if keeper := Keeper.find(folder):
                keeper.end()
        destroy(self.lab)
        return left


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, since sockets in it have paths of 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="tm", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(params=[(), AS_USER], ids=["root", "user"])
def user(request: pytest.FixtureRequest, lab_name: Callable[[], str], folder: Path) -> Iterator[User]:
    user = User(request.param, lab_name(), folder)
    yield user
    assert user.leaves() == []


@pytest.fixture
def root(lab_name: Callable[[], str], folder: Path) -> Iterator[User]:
    root = User((), lab_name(), folder)
    yield root
    assert root.leaves() == []


def general(text: str) -> str:
    """Return a story without what differs from run to run."""
    for pattern, replacement in (
        (r"^PING .*\n(.*\n)*?\n--- .*\n(.* packet loss), time.*\nrtt .*$", r"\2"),
        (r"\$ (curl|python3) .*", "$ <fetch http://ipv6-only.example.net/>"),
        (r"^home: (up|down) for .*\n(  .*\n)+", "<status>\n"),
        (r"2001:0:c000:201:[0-9a-f:]+", "<address>"),
        (r"(203\.0\.113\.\d+):\d+", r"\1:<port>"),
        (r"\b[\d.]+ (ms|s|min)\b", "<time>"),
    ):
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def test_the_demonstration_tells_its_story_and_leaves_nothing(user: User) -> None:
    told = user.types(f"tunnelmgr lab demo --lab {user.lab}", timeout=DEMO_TIMEOUT).stdout
    assert general(told).strip() == DEMO.strip()


@pytest.mark.parametrize("name", STORIES)
def test_a_scenario_goes_as_it_is_told(root: User, name: str) -> None:
    told = root.types(f"tunnelmgr lab run --lab {root.lab} {name}").stdout
    assert general(told).strip() == STORIES[name].strip()


def test_the_newcomer_s_path_of_the_readme(user: User, tmp_path: Path) -> None:
    block = (ROOT / "README.md").read_text().split("The same internet to play with")[1].split("\n\n")[1]
    assert "tunnelmgr lab up --nat symmetric" in block
    (tmp_path / "configs").symlink_to(CONFIGS)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    said = user.types(f"cd {tmp_path}\n{block}")
    assert "home: NAT symmetric, you appear as 203.0.113.1:" in said.stderr
    assert "bytes from web (2001:db8:6::1)" in said.stdout
    assert "198.51.100.1:3545" in said.stdout, "the relay is seen at work"
    assert re.search(r"client1 +client +192\.168\.1\.2 +tunnelmgr up configs/home\.yaml", said.stdout)
    explained = user.types(f"tunnelmgr decode {tmp_path}/home.pcapng").stdout
    assert len(explained.splitlines()) == 12


def test_every_shipped_profile_comes_up_in_a_lab_unchanged(user: User, radvd_environment: dict[str, str]) -> None:
    served = {plan.service.words[-1] for plan in PUBLIC_HOSTS if plan.service and plan.service.words[0] == "tunnelmgr"}
    shipped = {path.stem for path in CONFIGS.glob("*.yaml")}
    assert served <= shipped
    # Its services are up, or it fails.
    lines = [f"export PATH=$PATH:{radvd_environment['PATH']}", "tunnelmgr lab up"]
    for name in sorted(shipped - served):
        on = f"tunnelmgr lab exec {'public' if name in NEED_A_PUBLIC_ADDRESS else 'client1'}"
        reach = [] if name in WITHOUT_FAR_SIDE else [f"{on} ping -6 -c 1 -W 5 {WEB_NAME}"]
        reach += BEHIND_IT if name == "lan" else []
        lines += [f"{on} tunnelmgr up {name}", *reach, f"{on} tunnelmgr down {name}"]
    user.types("\n".join([*lines, "tunnelmgr lab down"]))


def test_clients_meet_behind_the_nats_that_were_chosen(root: User) -> None:
    root.types(
        """
        tunnelmgr lab up --nat full-cone --nat port-restricted
        tunnelmgr lab exec client1 tunnelmgr up home
        tunnelmgr lab exec client2 tunnelmgr up home
        address=$(tunnelmgr lab exec client2 tunnelmgr status home | awk '$1 == "address" { print $2 }')
        tunnelmgr lab exec client1 ping -6 -c 3 -W 5 $address
        """
    )
    screen = root.types("tunnelmgr lab status").stdout
    assert "client1-nat  router of client1: full-cone " in screen
    assert "client2-nat  router of client2: port-restricted " in screen
    hosts = {host["name"]: host for host in json.loads(root.types("tunnelmgr lab status --json").stdout)["data"]["hosts"]}
    assert hosts["client1-nat"]["router"]["nat"] == "full-cone"
    assert [program["words"][-2:] for program in hosts["client1"]["programs"]] == [["up", "home"]]
    root.types("tunnelmgr lab down")


def test_links_delay_lose_and_are_narrow_as_was_chosen(root: User) -> None:
    root.types("tunnelmgr lab up --delay 40 --loss 0 --loss 100 --mtu 1400")
    said = root.types("tunnelmgr lab exec client1 ping -c 5 -i 0.2 -W 5 -M dont -s 3000 relay.example.net").stdout
    times = [float(time) for time in re.findall(r"time=([\d.]+) ms", said)]
    assert len(times) == 5
    assert min(times) >= 80
    tight = root.types("tunnelmgr lab exec client1 ping -c 1 -W 5 -M do -s 1400 relay.example.net", check=False)
    assert "1400" in tight.stdout + tight.stderr
    assert tight.returncode
    assert "100% packet loss" in root.types("tunnelmgr lab exec client2 ping -c 2 -W 1 public", check=False).stdout
    assert (
        "client2-nat  router of client2: port-restricted, 40 ms, loses 100 %, MTU 1400"
        in root.types("tunnelmgr lab status").stdout
    )
    root.types("tunnelmgr lab down")


def test_a_command_on_a_host_keeps_its_words_folder_umask_and_exit_status(user: User) -> None:
    said = user.types(
        """
        tunnelmgr lab up
        cd /usr/bin
        tunnelmgr lab exec web sh -c 'pwd; echo "$@"' - --lab '  x' -h
        (umask 027; tunnelmgr lab exec client1 sh -c umask)
        tunnelmgr lab exec client1 sh -c 'exit 7' || echo exit $?
        tunnelmgr lab exec nobody true || echo exit $?
        tunnelmgr lab up || echo exit $?
        tunnelmgr lab down
        tunnelmgr lab down
        tunnelmgr lab status || echo exit $?
        """
    )
    assert said.stdout.splitlines() == ["/usr/bin", "--lab   x -h", "0027", "exit 7", "exit 2", "exit 1", "exit 3"]
    assert "no host 'nobody'; there are server, relay, far-end, " in said.stderr
    assert f"lab {user.lab} exists; remove it: tunnelmgr lab down --lab {user.lab}, or" in said.stderr
    assert f"there is no lab {user.lab}; build it: tunnelmgr lab up" in said.stderr


def test_a_command_that_does_not_end_ends_with_the_lab(user: User) -> None:
    user.types(
        """
        tunnelmgr lab up
        tunnelmgr lab exec client1 sleep 1000 &
        until tunnelmgr lab status | grep -q 'sleep 1000'; do :; done
        tunnelmgr lab down
        """
    )


@pytest.mark.parametrize("moment", [0.2, 0.5, 1.0, 1.5])
def test_ctrl_c_while_a_lab_is_built_leaves_nothing(user: User, moment: float) -> None:
    building = user.begins("exec tunnelmgr lab up --delay 1")
    with pytest.raises(subprocess.TimeoutExpired):
        building.wait(moment)  # not a wait for something: any moment must do
    os.killpg(building.pid, signal.SIGINT)
    building.communicate()
    # 130 as a shell counts, unless Python was interrupted before our first line: then what it likes.
    assert building.returncode


@pytest.mark.parametrize("moment", [0.2, 0.5, 1.0, 1.5])
def test_what_a_killed_command_leaves_is_removed_by_down(root: User, moment: float) -> None:
    building = root.begins("exec tunnelmgr lab up --delay 1")
    with pytest.raises(subprocess.TimeoutExpired):
        building.wait(moment)  # not a wait for something: any moment must do
    os.killpg(building.pid, signal.SIGKILL)
    building.communicate()
    unusable = root.types("tunnelmgr lab exec client1 true", check=False)
    assert unusable.returncode
    assert "tunnelmgr lab down" in unusable.stderr or "there is no lab" in unusable.stderr
    root.types("tunnelmgr lab down")


def test_what_a_killed_command_of_a_user_leaves_is_removed_by_down(lab_name: Callable[[], str], folder: Path) -> None:
    user = User(AS_USER, lab_name(), folder)
    user.types(
        """
        tunnelmgr lab up &
        until test -s $TUNNELMGR_RUNTIME_DIR/labs/$TUNNELMGR_LAB/keeper; do :; done
        sleep 1
        kill -9 $!
        tunnelmgr lab down
        """
    )
    wait_for("end", lambda: user.traces() == [] or None)


def test_two_labs_stand_side_by_side(user: User) -> None:
    said = user.types(
        """
        tunnelmgr lab up
        tunnelmgr lab up --lab ${TUNNELMGR_LAB}b --nat none
        tunnelmgr lab exec --lab ${TUNNELMGR_LAB}b client1 tunnelmgr up home
        tunnelmgr lab down --lab ${TUNNELMGR_LAB}b
        tunnelmgr lab exec client1 ping -c 1 -W 5 teredo.example.net
        tunnelmgr lab down
        """
    )
    assert "1 received" in said.stdout


def test_where_users_may_not_make_namespaces_the_setting_is_named(lab_name: Callable[[], str], folder: Path) -> None:
    # The limit holds for this user namespace; without capabilities its root is a user like others.
    forbidding = 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all "$0" "$@"'
    user = User(("unshare", "--user", "--map-root-user", "sh", "-ec", forbidding), lab_name(), folder)
    refused = user.types("tunnelmgr lab up", check=False)
    assert refused.returncode == 77
    assert refused.stderr == (
        "tunnelmgr: this machine does not let users make user namespaces: 0 of them are allowed"
        " (/proc/sys/user/max_user_namespaces is 0); use sudo: root needs no user namespace\n"
    )
    assert user.traces() == []


def test_without_sqlalchemy_the_lab_does_without_its_broker_and_says_so(root: User, folder: Path) -> None:
    (folder / "sitecustomize.py").write_text('import sys\nsys.modules["sqlalchemy"] = None\n')
    told = root.types(f"PYTHONPATH={folder} tunnelmgr lab up --lab {root.lab} 2>&1").stdout
    assert "broker runs no TSP broker: sqlalchemy is not installed" in told
    assert "far-end, Teredo server and relay" in told
    root.types(f"tunnelmgr lab down --lab {root.lab}")
