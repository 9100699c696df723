"""The example of a stranger's plugin against the kernel's own FOU, both ways.

ours 198.51.100.1 -- backbone -- kernel 198.51.100.2, IPv4 only; fou between them, 2001:db8:f00::1 and ::2
"""

import json
import tomllib
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tests.environment import ROOT
from tests.netns.program import Tunnelmgr, ping
from tests.vm.patience import PATIENCE, up
from tunnelmgr.lab.namespaces import NamespaceInternet
from tunnelmgr.lab.waiting import wait_for

EXAMPLE = ROOT / "examples/tunnelmgr-fou"
OURS, KERNEL = "198.51.100.1", "198.51.100.2"
PROFILE = f"""\
name: home
method: {{type: fou, peer: {KERNEL}, address: "2001:db8:f00::1/64"}}
firewall: {{inbound: open}}
"""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment in which the example counts as installed: no package index can be reached from here."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    information = tmp_path / "tunnelmgr_fou-0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in names.items())])
        for group, names in project["entry-points"].items()
    ]
    (information / "entry_points.txt").write_text("\n".join(groups))
    return {"PYTHONPATH": f"{tmp_path}:{EXAMPLE}"}


def test_it_carries_ping_and_tcp_both_ways_with_the_kernel_at_the_far_end(
    internet: NamespaceInternet, tmp_path: Path, installed: dict[str, str]
) -> None:
    far = internet.host("far", KERNEL)
    far.run(["modprobe", "fou"])
    for words in (
        "fou add port 5555 ipproto 41",
        f"link add fou0 type sit remote {OURS} local {KERNEL} ttl 64 encap fou encap-sport 5555 encap-dport 5555",
        "address add 2001:db8:f00::2/64 dev fou0 nodad",
        "link set fou0 mtu 1472 up",
    ):
        far.run(["ip", *words.split()])
    home = Tunnelmgr(internet.host("home", OURS), tmp_path, PROFILE)
    home.environment.update(installed)
    up(home)
    assert ping(home.host, IPv6Address("2001:db8:f00::2"), 5) == 5
    assert ping(far, IPv6Address("2001:db8:f00::1"), 5) == 5
    for options in ([], ["-R"]):
        listening = far.popen(["iperf3", "-s", "-1"])
        wait_for("iperf3", lambda: ":5201" in far.run(["ss", "-ltn"]).stdout or None, PATIENCE)
        said = home.host.run(["iperf3", "-6", "-J", "-t", "2", "-c", "2001:db8:f00::2", *options], timeout=PATIENCE).stdout
        listening.wait(PATIENCE)
        assert json.loads(said)["end"]["sum_received"]["bytes"] > 100_000
    home.run("down", "home", timeout=PATIENCE)
    assert home.traces() == []
