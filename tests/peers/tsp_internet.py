"""The internet of TSP's stories: a broker with a routed prefix, and a host with IPv6 alone; clients are added by the tests.

client (home) --- NAT 203.0.113.1 --- backbone --- 192.0.2.33       broker   broker.example.net; 2001:db8:100::/40
                                         `-------- 2001:db8:6::1    native   no IPv4 at all
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.netns.program import Tunnelmgr, ping
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.waiting import wait_for

ADDRESS = "192.0.2.33"
PASSWORD = "wonder"  # noqa: S105 - Alice's, in the laboratory only
BROKER = """\
name: broker
method:
  type: tsp
  role: broker
  address: 192.0.2.33
  prefix: 2001:db8:100::/40
  users: {file: users}
"""
ANONYMOUS = "name: home\nmethod: {type: tsp, broker: broker.example.net}\n"
ACCOUNT = """\
name: home
method:
  type: tsp
  broker: broker.example.net
  user: alice
  password: {file: password}
  prefix_length: 56
"""


@dataclass(frozen=True, slots=True)
class TspInternet:
    """What stands in it. The broker runs."""

    internet: NamespaceInternet
    broker: Tunnelmgr
    native: Host


@contextmanager
def tsp_internet(name: str, folder: Path, profile: str = BROKER) -> Iterator[TspInternet]:
    """Build it; it is gone after the with block, and the broker's host is as it was. `profile` is the broker's."""
    with NamespaceInternet(name) as internet:
        host = internet.host("broker", ADDRESS, "2001:db8:7::10", names=["broker.example.net"])
        native = internet.host("native", "2001:db8:6::1")
        broker = Tunnelmgr(host, folder, profile)
        write_secret(broker, "alice.password", f"{PASSWORD}\n")
        account = broker.run("broker", "account", "alice", "--password-file", broker.folder / "alice.password")
        write_secret(broker, "users", account.stdout)
        if "on-link" in profile:  # the router finds each address by asking the link
            internet.backbone.run(["ip", "route", "add", "2001:db8:7::/64", "dev", "broker"])
        else:
            internet.route("2001:db8:100::/40", host)
        broker.up()
        yield TspInternet(internet, broker, native)
        broker.run("down", "broker")
        assert broker.traces() == []


def write_secret(tunnelmgr: Tunnelmgr, name: str, text: str) -> None:
    """Write a file beside a profile that nobody else may read."""
    path = tunnelmgr.folder / name
    path.write_text(text)
    path.chmod(0o600)


def bulk(client: Host, server: Host, target: str, *options: str) -> int:
    """Send TCP for a second and return the bytes that arrived."""
    listening = server.popen(["iperf3", "-s", "-1"])
    wait_for("iperf3 server", lambda: "5201" in server.run(["ss", "-ltn"]).stdout or None)
    said = client.run(["iperf3", "-J", "-t", "1", "-c", target, *options]).stdout
    server.stop(listening)
    return int(json.loads(said)["end"]["sum_received"]["bytes"])


def assert_carries(far_end: TspInternet, client: Tunnelmgr) -> None:
    """Ping, and TCP both ways, between a client and the host with IPv6 alone."""
    assert ping(client.host, far_end.native.ipv6, 20) == 20
    assert bulk(client.host, far_end.native, str(far_end.native.ipv6)) > 500_000
    assert bulk(client.host, far_end.native, str(far_end.native.ipv6), "--reverse") > 500_000
