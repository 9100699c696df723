"""Update services of providers that are not what they seem. All they may say: tests/process/test_hostile_updates.py."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.hostile import ports, provider
from tests.hostile.provider import ANSWERS, DRIPS, FIRST, NAME
from tests.netns.hostile.home import HostileHome, foreign
from tunnelmgr.lab.waiting import wait_for

PROFILE = """\
name: {name}
method:
  type: 6in4
  remote: 192.0.2.{host}
  address: 2001:db8:41:{host}::2/64
  routes: []
  update: {{provider: he, tunnel: {tunnel}, username: me, key: S3CRET, url: "https://{server}:{port}/nic/update"}}
"""
LOOPBACK = next(number for number, said in enumerate(ANSWERS, FIRST) if said.answer.endswith(b"good 127.0.0.1"))
MET = {
    "honest": (FIRST, ports.UPDATES_TRUE, "current"),
    "loopback": (LOOPBACK, ports.UPDATES_TRUE, "refused"),
    "stranger": (FIRST, ports.UPDATES_STRANGER, "due"),
    "plain": (FIRST, ports.UPDATES_PLAIN, "due"),
    "drips": (DRIPS, ports.UPDATES_TRUE, "asking"),
    "mute": (FIRST, ports.UPDATES_MUTE, "asking"),
}
"""Name of a profile -> number of the tunnel, port of the service, and what becomes of the update."""


def test_whoever_is_not_the_provider_hears_no_key_and_keeps_nothing_from_ending(home: HostileHome) -> None:
    profiles = [_profile(home, name, host) for host, name in enumerate(MET, 100)]
    wanted = {name: standing for name, (_, _, standing) in MET.items()}
    with home.unharmed() as told, ThreadPoolExecutor(2) as side_by_side:
        list(side_by_side.map(lambda one: home.run("up", one, "--timeout", "20"), profiles))
        wait_for("the answers", lambda: _standings(home) == wanted or None, 15)
        list(side_by_side.map(lambda one: home.run("down", one.stem, timeout=10), profiles))
    assert foreign(told, "2001:db8:41:") == []
    asked = (home.folder / provider.ASKED).read_text()
    assert asked.count("Authorization: Basic") == sum(port == ports.UPDATES_TRUE for _, port, _ in MET.values()), asked


def _profile(home: HostileHome, name: str, host: int) -> Path:
    tunnel, port, _ = MET[name]
    file = home.tunnelmgr.write_profile(name, PROFILE.format(name=name, tunnel=tunnel, host=host, server=NAME, port=port))
    file.chmod(0o600)
    return file


def _standings(home: HostileHome) -> dict[str, str]:
    told = json.loads(home.run("status", "--json").stdout)["data"]["profiles"]
    running = {one["name"]: one["snapshot"]["running"] for one in told}
    return {name: one["tunnel"]["facts"]["provider"] for name, one in running.items() if one}
