"""The shell words that make a namespace and join it to another: text only, nothing is run here.

    host eth0 ------- <host> backbone <site>-nat ------- wan router lan (bridge) <host> ------- eth0 host

All public links are unnumbered: a host has its address as /32 or /128, its gateway is the one address of the backbone
(IPv4) or fe80::1 (IPv6), and the backbone has a route to each address. So any two addresses can be given to any two
hosts, whatever prefix they are from. A link that delays packets, duplicates them or changes their order is two TAP devices
with a program between them (`delay_line`).
"""

import json
import shlex
import sys
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

from tunnelmgr.api.plain import as_plain
from tunnelmgr.lab.vocabulary import Link

BACKBONE_ADDRESS = IPv4Address("192.0.2.254")
BACKBONE_ADDRESS6 = IPv6Address("2001:db8::fe")  # what its ICMPv6 errors come from

# Before any device is made, because a device copies `default` when it appears. Redirects and reverse path filtering
# get in the way of unnumbered links; limits on ICMP errors look like loss.
SETTINGS = (
    "net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 "
    "net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 "
    "net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 "
    "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 "
    "net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 "
    "net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 "
    # Else a router's rules see what its bridge carries, and translate packets before the bridge hands them up.
    "net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0"
)
FORWARDING4 = "net.ipv4.ip_forward=1"
FORWARDING = f"{FORWARDING4} net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.forwarding=1"


class Offload(Enum):
    """What veth devices leave to a network card that does not exist; the value is arguments of `ethtool -K`."""

    ON = ""  # as on a real machine: merged segments, and no checksums in what packet sockets see
    NO_CHECKSUMS = "tx off"  # every checksum is computed: what a raw socket or a capture reads is whole
    OFF = "tx off tso off gso off gro off sg off"  # and every packet travels alone: the fair floor of a benchmark


def backbone(namespace: str) -> str:
    addresses = f"address add {BACKBONE_ADDRESS}/32 dev lo", f"address add {BACKBONE_ADDRESS6}/128 dev lo nodad"
    return _namespace(namespace, FORWARDING) + _ip(namespace, "link set lo up", *addresses)


def public_host(
    namespace: str,
    backbone: str,
    port: str,
    addresses: tuple[IPv4Address | IPv6Address, ...],
    *,
    interface: str = "eth0",
    settings: str = "",
    link: Link = Link(),  # noqa: B008 (frozen)
    offload: Offload = Offload.ON,
) -> str:
    """A namespace on the backbone, whose side of the link is the interface `port`."""
    here = ["link set lo up", f"link set {interface} mtu {link.mtu} up"]
    # The same link-local address on all ports, so that every host has the same gateway.
    there = [f"link set {port} addrgenmode none", f"link set {port} mtu {link.mtu} up"]
    there.append(f"address add fe80::1/64 dev {port} nodad")
    for address in addresses:
        here.append(f"address add {address}/{address.max_prefixlen} dev {interface}{_nodad(address)}")
        there.append(f"route add {address}/{address.max_prefixlen} dev {port}")
    if any(address.version == 4 for address in addresses):
        here.append(f"route add default via {BACKBONE_ADDRESS} dev {interface} onlink")
    if any(address.version == 6 for address in addresses):
        here.append(f"route add default via fe80::1 dev {interface}")
    return (
        f"{_namespace(namespace, settings)}"
        f"{_cable(namespace, interface, backbone, port, link, offload)}"
        f"{_ip(namespace, *here)}{_ip(backbone, *there)}"
        f"{_loss(backbone, port, link)}"
    )


def lan(router: str, gateway: IPv4Interface, routed: IPv4Address | None = None) -> str:
    """The inside of a router: a bridge, so that a site can have several hosts; `routed` is reached through it."""
    routes = [f"route add {routed}/32 dev lan"] if routed else []
    # Snooping forgets multicast listeners on a network without a querier.
    bridge = "link add lan type bridge mcast_snooping 0"
    return _ip(router, bridge, f"address add {gateway} dev lan", "link set lan up", *routes)


def inside_host(
    namespace: str,
    router: str,
    port: str,
    address: IPv4Interface,
    gateway: IPv4Address,
    *,
    interface: str = "eth0",
    settings: str = "",
    offload: Offload = Offload.ON,
) -> str:
    """A namespace in the LAN of `router`, whose side of the link is the interface `port`."""
    # onlink: where nothing is translated, the address is public and its gateway in no prefix of it.
    addressing = f"address add {address} dev {interface}", f"route add default via {gateway} dev {interface} onlink"
    return (
        f"{_namespace(namespace, settings)}"
        f"{_veth(namespace, interface, router, port, offload)}"
        f"{_ip(namespace, 'link set lo up', f'link set {interface} up', *addressing)}"
        f"ip -n {router} link set {port} master lan up\n"
    )


def lan_host(namespace: str, router: str, interface: str, *, offload: Offload = Offload.ON) -> str:
    """A namespace without addresses that heeds router advertisements, at the interface `interface` of `router`."""
    return (
        f"{_namespace(namespace, 'net.ipv6.conf.default.accept_ra=1')}"
        f"{_veth(namespace, 'eth0', router, interface, offload)}"
        f"{_ip(namespace, 'link set lo up', 'link set eth0 up')}"
        f"ip -n {router} link set {interface} up\n"
    )


def route(namespace: str, prefix: IPv4Network | IPv6Network, gateway: IPv4Address | IPv6Address, port: str) -> str:
    return f"ip -n {namespace} route replace {prefix} via {gateway} dev {port} onlink\n"


def renumber(router: str, backbone: str, port: str, before: IPv4Address, after: IPv4Address) -> str:
    """Give a router on the backbone another address."""
    # The default route goes with the address it was added for.
    default = f"route replace default via {BACKBONE_ADDRESS} dev wan onlink"
    here = _ip(router, f"address add {after}/32 dev wan", f"address del {before}/32 dev wan", default)
    return here + _ip(backbone, f"route add {after}/32 dev {port}", f"route del {before}/32 dev {port}")


def _namespace(namespace: str, settings: str = "") -> str:
    # -e: a kernel without IPv6 or one of the limits is none the worse for it.
    return f"ip netns add {namespace}\nip netns exec {namespace} sysctl -eqw {SETTINGS} {settings}".rstrip() + "\n"


def _ip(namespace: str, *lines: str) -> str:
    """What `ip` is told about a namespace in one go."""
    return "\n".join([f"ip -n {namespace} -batch - <<'END'", *lines, "END\n"])


def _cable(namespace: str, interface: str, peer: str, port: str, link: Link, offload: Offload) -> str:
    if not (link.delay or link.late or link.duplicated):
        return _veth(namespace, interface, peer, port, offload)
    # Devices that stay when the program is killed: then the cable is cut, and the host is still configured.
    return (
        f"ip -n {namespace} tuntap add dev {interface} mode tap\n"
        f"ip -n {peer} tuntap add dev {port} mode tap\n"
        f"ip netns exec {peer} {sys.executable} -m tunnelmgr.lab.namespaces.delay_line"
        f" {namespace} {interface} {peer} {port} {shlex.quote(json.dumps(as_plain(link)))}\n"
    )


def _veth(namespace: str, interface: str, peer: str, port: str, offload: Offload) -> str:
    made = f"ip link add {interface} netns {namespace} type veth peer name {port} netns {peer}\n"
    if offload is Offload.ON:
        return made
    return (
        f"{made}"
        f"ip netns exec {namespace} ethtool -K {interface} {offload.value}\n"
        f"ip netns exec {peer} ethtool -K {port} {offload.value}\n"
    )


def _loss(backbone: str, port: str, link: Link) -> str:
    drops = []
    if link.loss:
        # A counter that does not come round within a test names each packet once.
        ordinals = ", ".join(f"{ordinal} : drop" for ordinal in sorted(link.loss))
        drops.append(f"numgen inc mod 4294967295 vmap {{ {ordinals} }}")
    if link.loss_rate:
        # The die has no more than a million sides, so certainty needs none.
        lost = round(link.loss_rate * 1000000)
        drops.append(f"numgen random mod 1000000 < {lost} drop" if lost < 1000000 else "drop")
    if not drops:
        return ""
    return (
        f"ip netns exec {backbone} nft -f - <<'END'\n"
        f"table inet loss-{port} {{\n"
        "\tchain forward {\n"
        "\t\ttype filter hook forward priority raw\n"
        + "".join(f'\t\t{side} "{port}" {drop}\n' for drop in drops for side in ("iifname", "oifname"))
        + "\t}\n}\nEND\n"
    )


def _nodad(address: IPv4Address | IPv6Address) -> str:
    return " nodad" if address.version == 6 else ""
