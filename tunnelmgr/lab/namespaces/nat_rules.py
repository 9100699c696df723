"""A `Nat` as nftables rules for a Linux router with the interfaces `wan` and `lan`. Text only, nothing is run here.

What Linux does by itself (`masquerade`) is a port-restricted NAT: it keeps the inside port while no other flow to the
same remote endpoint has it, and lets in only what answers a flow. Everything else is made by steering this machinery:

- *Wider filtering* is a map of what the inside host sent, consulted for packets from outside before routing. It holds
  one host per port, the outside port being the inside one: right for a site with one host using a port.
- *Symmetric mappings* are flows that are each given a port: at random, by a counter, or the inside port for the first
  flow from it and a random one for the others.
- The box itself must drop unsolicited UDP: Linux remembers a packet it accepts for itself as a flow, and this takes
  the outside endpoint from the inside host (`Nat.open_box`, see there).
"""

from ipaddress import IPv4Address, IPv4Network

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.vocabulary import Filtering, Mapping, Nat, PortChoice

SEQUENTIAL_PORTS = 1024  # ports before the counter comes round
SEQUENTIAL_FIRST = 40000


def nat_rules(nat: Nat, address: IPv4Address, inside: IPv4Network) -> str:
    """The rules that make a router with the public `address` behave like `nat` towards the `inside` network.

    They replace whatever rules there are. Raises TunnelError for a combination that nftables cannot make.
    """
    _check(nat)
    translation = _memory(nat) + _prerouting(nat, address) + _postrouting(nat, address, inside)
    return f"flush ruleset\ntable ip nat {{\n{translation}}}\n{_filter(nat)}"


def flow_settings(nat: Nat) -> str:
    """The sysctls to be set once the rules have made the kernel track flows: how long it remembers UDP, in seconds."""
    seconds = max(1, round(nat.mapping_timeout))
    return f"net.netfilter.nf_conntrack_udp_timeout={seconds} net.netfilter.nf_conntrack_udp_timeout_stream={seconds}"


def _check(nat: Nat) -> None:
    refused = None
    if nat.mapping is Mapping.ADDRESS:
        refused = "address-dependent mapping"
    elif nat.mapping is Mapping.ADDRESS_AND_PORT and nat.filtering is not Filtering.ADDRESS_AND_PORT:
        refused = f"{nat.mapping.value} mapping with {nat.filtering.value} filtering"
    elif nat.mapping is Mapping.ENDPOINT_INDEPENDENT and nat.port_choice is not PortChoice.PRESERVING:
        refused = f"endpoint-independent mapping with {nat.port_choice.value} ports"
    elif nat.hairpinning and nat.filtering is not Filtering.ENDPOINT_INDEPENDENT:
        refused = f"hairpinning with {nat.filtering.value} filtering"
    if refused:
        raise TunnelError(f"nftables cannot make a NAT with {refused}", hint="use the simulated internet")


def _memory(nat: Nat) -> str:
    """What the router remembers beside the kernel's flows, refreshed by every packet of a flow."""
    if nat.filtering is Filtering.ENDPOINT_INDEPENDENT:
        kind, sent, answered = "inet_service : ipv4_addr", "udp sport : ip saddr", "udp dport : ip daddr"
    elif nat.filtering is Filtering.ADDRESS:
        kind = "inet_service . ipv4_addr : ipv4_addr"
        sent, answered = "udp sport . ip daddr : ip saddr", "udp dport . ip saddr : ip daddr"
    else:
        return ""
    return (
        "\tmap inside {\n"
        f"\t\ttype {kind}\n"
        "\t\tflags dynamic,timeout\n"
        f"\t\ttimeout {_seconds(nat)}\n"
        "\t}\n"
        "\tchain learn {\n"
        # After the decision to forward: what is dropped opens nothing.
        "\t\ttype filter hook forward priority 10; policy accept;\n"
        f'\t\tiifname "lan" oifname "wan" meta l4proto udp update @inside {{ {sent} }}\n'
        f'\t\tiifname "wan" meta l4proto udp update @inside {{ {answered} }}\n'
        "\t}\n"
    )


def _prerouting(nat: Nat, address: IPv4Address) -> str:
    if nat.filtering is Filtering.ENDPOINT_INDEPENDENT:
        lookup = "udp dport map @inside"
    elif nat.filtering is Filtering.ADDRESS:
        lookup = "udp dport . ip saddr map @inside"
    else:
        return ""
    incoming = "" if nat.hairpinning else 'iifname "wan" '
    return (
        "\tchain prerouting {\n"
        "\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
        f"\t\t{incoming}ip daddr {address} meta l4proto udp dnat to {lookup}\n"
        "\t}\n"
    )


def _postrouting(nat: Nat, address: IPv4Address, inside: IPv4Network) -> str:
    rules = []
    used = ""
    if nat.hairpinning:
        rules.append(f'oifname "lan" ct status dnat ip saddr {inside} snat to {address}')
    if nat.mapping is Mapping.ADDRESS_AND_PORT and nat.port_choice is PortChoice.RANDOM:
        rules.append('oifname "wan" meta l4proto udp masquerade random,fully-random')
    elif nat.mapping is Mapping.ADDRESS_AND_PORT and nat.port_choice is PortChoice.SEQUENTIAL:
        ports = ", ".join(f"{n} : {address} . {SEQUENTIAL_FIRST + n}" for n in range(SEQUENTIAL_PORTS))
        # A map, because the bare counter is in the machine's byte order and a port is not.
        rules.append(f'oifname "wan" meta l4proto udp snat to numgen inc mod {SEQUENTIAL_PORTS} map {{ {ports} }}')
    elif nat.mapping is Mapping.ADDRESS_AND_PORT:
        used = f"\tset used {{\n\t\ttype inet_service\n\t\tflags dynamic,timeout\n\t\ttimeout {_seconds(nat)}\n\t}}\n"
        rules.append('oifname "wan" udp sport @used masquerade random,fully-random')
        rules.append('oifname "wan" meta l4proto udp add @used { udp sport }')
    rules.append(f'oifname "wan" snat to {address}')
    return (
        f"{used}"
        "\tchain postrouting {\n"
        "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
        + "".join(f"\t\t{rule}\n" for rule in rules)
        + "\t}\n"
    )


def _filter(nat: Nat) -> str:
    closed = "" if nat.open_box else '\t\tiifname "wan" meta l4proto udp ct state new drop\n'
    blocked = "" if nat.passes_udp else "\t\tmeta l4proto udp drop\n"
    return (
        "table ip filter {\n"
        "\tchain input {\n"
        "\t\ttype filter hook input priority filter; policy accept;\n"
        f"{closed}"
        "\t}\n"
        "\tchain forward {\n"
        "\t\ttype filter hook forward priority filter; policy drop;\n"
        f"{blocked}"
        '\t\tiifname "lan" accept\n'
        "\t\tct state established,related accept\n"
        "\t\tct status dnat accept\n"
        "\t}\n"
        "}\n"
    )


def _seconds(nat: Nat) -> str:
    return f"{max(1, round(nat.mapping_timeout))}s"
