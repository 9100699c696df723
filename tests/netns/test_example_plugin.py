"""A stranger's plugin, installed as a stranger would, carries packets between two hosts.

left 198.51.100.1 -- backbone -- right 198.51.100.2, IPv4 only; fou between them, 2001:db8:f00::1 and ::2
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.environment import ROOT, Unavailable, make_environment
from tunnelmgr.lab.namespaces import Host, NamespaceInternet

pytestmark = pytest.mark.xdist_group("example plugin")


@pytest.fixture(scope="module")
def tunnelmgr(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command of a fresh environment with our wheel and the example's."""
    try:
        return str(make_environment(tmp_path_factory.mktemp("fou"), ROOT, ROOT / "examples/tunnelmgr-fou") / "tunnelmgr")
    except Unavailable as reason:
        pytest.skip(str(reason))
        raise


class End:
    """One end of the tunnel, with directories of its own, since namespaces share the machine's."""

    def __init__(self, host: Host, folder: Path, tunnelmgr: str, profile: str) -> None:
        self.host = host
        self._tunnelmgr = tunnelmgr
        self._environment = {"TUNNELMGR_RUNTIME_DIR": f"{folder}/run", "TUNNELMGR_STATE_DIR": f"{folder}/state"}
        self.profile = folder / "fou.yaml"
        folder.mkdir()
        self.profile.write_text(profile)

    def tunnelmgr(self, *words: str) -> str:
        return self.host.run([self._tunnelmgr, *words], environment=self._environment).stdout


def test_it_is_listed_with_where_it_comes_from(tunnelmgr: str) -> None:
    words = [tunnelmgr, "plugins", "--json"]
    said = subprocess.run(words, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}).stdout
    (fou,) = [plugin for plugin in json.loads(said)["data"]["plugins"] if plugin["name"] == "fou"]
    assert fou["distribution"] == "tunnelmgr-fou"
    assert fou["state"] == "ready"
    assert [transport["type"] for transport in fou["transports"]] == ["fou"]


def test_two_ends_come_up_ping_each_other_and_leave_nothing(
    internet: NamespaceInternet, tunnelmgr: str, tmp_path: Path
) -> None:
    ends = [
        End(
            internet.host(name, address),
            tmp_path / name,
            tunnelmgr,
            f"method: {{type: fou, peer: {peer}, address: 2001:db8:f00::{number}/64}}\n",
        )
        for name, address, peer, number in (
            ("left", "198.51.100.1", "198.51.100.2", 1),
            ("right", "198.51.100.2", "198.51.100.1", 2),
        )
    ]
    left, right = ends
    before = [end.host.run(["ip", "-6", "address"]).stdout for end in ends]
    for end in ends:
        end.tunnelmgr("up", str(end.profile))
    try:
        left.host.run(["ping", "-6", "-c3", "-i0.2", "-W5", "2001:db8:f00::2"])
        right.host.run(["ping", "-6", "-c3", "-i0.2", "-W5", "-s1400", "2001:db8:f00::1"])
    finally:
        for end in ends:
            end.tunnelmgr("down", "fou")
    assert [end.host.run(["ip", "-6", "address"]).stdout for end in ends] == before
