"""A host that is a Teredo client without native IPv6 and its own relay with it: Debian's client is reached either way.

laptop 203.0.113.9, 2001:db8:9::1 --- backbone --- 192.0.2.1, .2  miredo-server
                                         '-------- NAT --- bob    Debian's client
"""

from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, ping
from tests.peers.miredo import MiredoClient, MiredoServer
from tests.peers.teredo_internet import SERVER_NAME
from tunnelmgr.lab.namespaces import NamespaceInternet
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

PROFILE = """\
name: home
methods:
  - {type: teredo, server: teredo.example.net, when: {native_ipv6: false}}
  - {type: teredo, role: relay, serves: host, port: 0, when: {native_ipv6: true}}
"""
TURN_TIMEOUT = 15.0  # seconds; a turn takes a tenth


def relays(home: Tunnelmgr) -> bool:
    status = home.status()
    return bool(status["condition"]["state"] == "up" and not status["running"]["addresses"])


@pytest.mark.requirement("T-CL-027", "T-RL-011")
@pytest.mark.usefixtures("miredo_programs")
def test_a_client_is_its_hosts_own_relay_while_there_is_native_ipv6(internet: NamespaceInternet, tmp_path: Path) -> None:
    server = internet.host("server", "192.0.2.1", "192.0.2.2", "2001:db8:1::1", names=[SERVER_NAME])
    MiredoServer(server, folder=tmp_path).start()
    bob = MiredoClient(internet.site("bob", NatKind.PORT_RESTRICTED).inside, server=SERVER_NAME, folder=tmp_path).start()
    laptop = internet.host("laptop", "203.0.113.9", "2001:db8:9::1")
    home = Tunnelmgr(laptop, tmp_path, PROFILE)
    native = laptop.run(["ip", "-6", "route", "show", "default"]).stdout.split()

    story = home.up()
    assert story[:2] == [
        "home: teredo does not suit: `when: {native_ipv6: false}` does not hold: there is IPv6 without a tunnel",
        "home: starting, teredo, relay for this host on a random port",
    ]
    assert home.running()["addresses"] == []
    assert ping(laptop, bob, 5) == 5
    assert home.tunnel()["facts"]["clients"] == 1

    laptop.run(["ip", "-6", "route", "del", *native])
    wait_for("a Teredo address", lambda: (home.status()["running"] or {}).get("addresses"), TURN_TIMEOUT)
    assert ping(laptop, bob, 5) >= 4, "Miredo may lose the first"

    laptop.run(["ip", "-6", "route", "add", *native])
    wait_for("the relay", lambda: relays(home) or None, TURN_TIMEOUT)
    assert ping(laptop, bob, 5) == 5
    home.run("down", "home")
    assert home.traces() == []
