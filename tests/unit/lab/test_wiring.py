"""What is run to build a host of the namespace internet, as text."""

import json
import shlex
import sys
from ipaddress import IPv4Address, IPv6Address

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.plain import from_plain
from tunnelmgr.lab.namespaces import wiring
from tunnelmgr.lab.namespaces.naming import check_host_name, check_lab_name
from tunnelmgr.lab.namespaces.wiring import Offload
from tunnelmgr.lab.vocabulary import Link

SERVER, NET = "tml-x-server", "tml-x-net"


def test_public_host_has_both_families_on_an_unnumbered_link() -> None:
    addresses = (IPv4Address("192.0.2.1"), IPv6Address("2001:db8:1::1"))
    assert (
        wiring.public_host(SERVER, NET, "server", addresses, settings="a.b=1")
        == f"""\
ip netns add tml-x-server
ip netns exec tml-x-server sysctl -eqw {wiring.SETTINGS} a.b=1
ip link add eth0 netns tml-x-server type veth peer name server netns tml-x-net
ip -n tml-x-server -batch - <<'END'
link set lo up
link set eth0 mtu 1500 up
address add 192.0.2.1/32 dev eth0
address add 2001:db8:1::1/128 dev eth0 nodad
route add default via 192.0.2.254 dev eth0 onlink
route add default via fe80::1 dev eth0
END
ip -n tml-x-net -batch - <<'END'
link set server addrgenmode none
link set server mtu 1500 up
address add fe80::1/64 dev server nodad
route add 192.0.2.1/32 dev server
route add 2001:db8:1::1/128 dev server
END
"""
    )


def test_loss_counts_each_direction() -> None:
    text = wiring.public_host(SERVER, NET, "server", (), link=Link(loss=frozenset({7, 0}), loss_rate=0.25))
    assert text.endswith(
        """\
ip netns exec tml-x-net nft -f - <<'END'
table inet loss-server {
	chain forward {
		type filter hook forward priority raw
		iifname "server" numgen inc mod 4294967295 vmap { 0 : drop, 7 : drop }
		oifname "server" numgen inc mod 4294967295 vmap { 0 : drop, 7 : drop }
		iifname "server" numgen random mod 1000000 < 250000 drop
		oifname "server" numgen random mod 1000000 < 250000 drop
	}
}
END
"""
    )


def test_a_link_that_loses_everything_rolls_no_die() -> None:
    text = wiring.public_host(SERVER, NET, "server", (), link=Link(loss_rate=1.0))
    assert '\t\tiifname "server" drop\n\t\toifname "server" drop\n' in text


def test_offloads_are_switched_off_at_both_ends() -> None:
    text = wiring.public_host(SERVER, NET, "server", (), offload=Offload.NO_CHECKSUMS)
    assert "ip netns exec tml-x-server ethtool -K eth0 tx off\n" in text
    assert "ip netns exec tml-x-net ethtool -K server tx off\n" in text


def test_a_link_that_delays_is_two_taps_with_a_program_between() -> None:
    text = wiring.public_host(SERVER, NET, "server", (), link=Link(delay=0.02))
    assert "veth" not in text
    assert "ip -n tml-x-server tuntap add dev eth0 mode tap\nip -n tml-x-net tuntap add dev server mode tap\n" in text
    assert f"ip netns exec tml-x-net {sys.executable} -m tunnelmgr.lab.namespaces.delay_line " in text


def test_the_program_between_is_told_both_ends_and_all_of_the_link() -> None:
    link = Link(delay=0.02, late=frozenset({4, 1}), late_by=0.1, duplicated=frozenset({7}))
    text = wiring.public_host(SERVER, NET, "server", (), link=link)
    [command] = [line for line in text.splitlines() if "delay_line" in line]
    *ends, described = shlex.split(command)[-5:]
    assert ends == ["tml-x-server", "eth0", "tml-x-net", "server"]
    assert from_plain(Link, json.loads(described)) == link


@pytest.mark.parametrize("name", ["", "my-lab", "Lab", "a" * 21, "a/b", "a b"])
def test_lab_name_that_could_begin_another_is_refused(name: str) -> None:
    with pytest.raises(TunnelError, match="lab name"):
        check_lab_name(name)


@pytest.mark.parametrize("name", ["", "net", "1st", "a.b", "twelve-chars", "a b"])
def test_host_name_that_does_not_fit_an_interface_is_refused(name: str) -> None:
    with pytest.raises(TunnelError, match="host name"):
        check_host_name(name)


def test_a_router_gets_another_address() -> None:
    assert (
        wiring.renumber("tml-x-home-nat", NET, "home-nat", IPv4Address("203.0.113.1"), IPv4Address("203.0.113.9"))
        == """\
ip -n tml-x-home-nat -batch - <<'END'
address add 203.0.113.9/32 dev wan
address del 203.0.113.1/32 dev wan
route replace default via 192.0.2.254 dev wan onlink
END
ip -n tml-x-net -batch - <<'END'
route add 203.0.113.9/32 dev home-nat
route del 203.0.113.1/32 dev home-nat
END
"""
    )
