"""Name servers that lie: what they call a server is asked only if a host can have the address."""

from pathlib import Path

from tests.hostile import dns, ports
from tests.netns.hostile.home import HostileHome, foreign
from tunnelmgr.lab.namespaces.naming import FILES
from tunnelmgr.lab.waiting import wait_for

TEREDO = "{type: teredo, server: %s}"
BROKER = '{type: tsp, broker: ["%s:4300"], signalling: udp, tunnel: v6udpv4}'


def ask_by_dns(home: HostileHome) -> None:
    files = FILES / home.host.namespace
    (files / "nsswitch.conf").write_text("passwd: files\nhosts: files dns\n")
    (files / "resolv.conf").write_text(f"nameserver {ports.ROUTER}\noptions timeout:1\n")


def method(home: HostileHome, text: str) -> Path:
    return home.tunnelmgr.write_profile("home", f"name: home\nmethod: {text}\n")


def test_of_the_addresses_of_a_name_those_are_asked_that_hosts_can_have(home: HostileHome) -> None:
    ask_by_dns(home)
    for text, address in (
        (TEREDO % dns.SERVER, "2001:0:c000:224:"),
        (TEREDO % dns.MANY, "2001:0:c000:224:"),
        (BROKER % dns.BROKER, "2001:db8:1::2"),
    ):
        with home.unharmed():
            said = home.run("up", method(home, text), "--timeout", "3", "--keep").stderr
            [found] = wait_for("an address", lambda: home.tunnelmgr.running()["addresses"], 15)
            home.run("down", "home")
        assert found.startswith(address), said


def test_a_name_without_an_address_that_a_host_can_have_is_refused_by_name(home: HostileHome) -> None:
    ask_by_dns(home)
    for text in (TEREDO % dns.NOWHERE, BROKER % dns.NOWHERE):
        with home.unharmed() as told:
            said = home.run("up", method(home, text), "--timeout", "3").stderr
        assert dns.NOWHERE in said
        assert foreign(told) == []


def test_damaged_answers_about_names_change_nothing(home: HostileHome) -> None:
    ask_by_dns(home)
    for _ in range(3):
        with home.unharmed():
            home.run("up", method(home, TEREDO % dns.DAMAGED), "--timeout", "2")
            home.run("down", "home")
