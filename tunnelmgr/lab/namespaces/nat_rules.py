"""A `Nat` as nftables rules for a Linux router with the interfaces `wan` and `lan`. Text only, nothing is run here.

What Linux does by itself (`snat`) is a port-restricted NAT: it keeps the inside port while no other flow to the same
remote endpoint has it, and lets in only what answers a flow. Everything else is made by steering this machinery:

- *Wider filtering* is a map of what the inside host sent, consulted for packets from outside before routing. It holds
  one host per port, the outside port being the inside one: right for a site with one host using a port.
- *Symmetric mappings* are flows that are each given a port: at random, by a counter, or the inside port unless a
  mapping has it.
- The box itself must drop unsolicited UDP: Linux remembers a packet it accepts for itself as a flow, and this takes
  the outside endpoint from the inside host (`Nat.open_box`, see there).
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.report import Filtering, Mapping
from tunnelmgr.lab.vocabulary import Nat, PortChoice

SEQUENTIAL_FIRST = 40000  # the first port the counter gives
SEQUENTIAL_PORTS = 1024  # ports before it comes round


def nat_rules(nat: Nat, address: IPv4Address, inside: IPv4Network) -> str:
    """The rules that make a router with the public `address` behave like `nat` towards the `inside` network.

    They replace whatever rules there are. Raises TunnelError for a combination that nftables cannot make.
    """
    _check(nat)
    return (
        "flush ruleset\n"
        "table ip nat {\n"
        f"{_memory(nat)}"
        f"{_chain('prerouting', 'nat hook prerouting priority dstnat', _prerouting(nat, address))}"
        f"{_chain('postrouting', 'nat hook postrouting priority srcnat', _postrouting(nat, address, inside))}"
        "}\n"
        "table ip filter {\n"
        f"{_chain('input', 'filter hook input priority filter', _input(nat))}"
        f"{_chain('forward', 'filter hook forward priority filter', _forward(nat))}"
        "}\n"
    )


def flow_settings(nat: Nat) -> str:
    """The sysctls to be set once the rules have made the kernel track flows: how long it remembers UDP."""
    seconds = _seconds(nat)
    return f"net.netfilter.nf_conntrack_udp_timeout={seconds} net.netfilter.nf_conntrack_udp_timeout_stream={seconds}"


def _check(nat: Nat) -> None:
    refused = None
    if nat.mapping is Mapping.ADDRESS:
        refused = "address-dependent mapping"
    elif nat.mapping is Mapping.ADDRESS_AND_PORT and nat.filtering is not Filtering.ADDRESS_AND_PORT:
        refused = f"{nat.mapping.value} mapping and {nat.filtering.value} filtering"
    elif nat.mapping is Mapping.ENDPOINT_INDEPENDENT and nat.port_choice is not PortChoice.PRESERVING:
        refused = f"endpoint-independent mapping and {nat.port_choice.value} ports"
    elif nat.hairpinning and nat.filtering is not Filtering.ENDPOINT_INDEPENDENT:
        refused = f"hairpinning and {nat.filtering.value} filtering"
    elif nat.maps_ports:
        refused = "mappings on request"
    if refused:
        raise TunnelError(f"nftables alone cannot make a NAT with {refused}", hint="use the simulated internet")


def _memory(nat: Nat) -> str:
    """What the router remembers beside the kernel's flows, and how it learns it."""
    if nat.filtering is Filtering.ENDPOINT_INDEPENDENT:
        return _inside_hosts(nat, "inet_service", "udp sport", "udp dport")
    if nat.filtering is Filtering.ADDRESS:
        return _inside_hosts(nat, "inet_service . ipv4_addr", "udp sport . ip daddr", "udp dport . ip saddr")
    if _keeps_free_ports(nat):
        # Behind the translation, so that it holds outside ports.
        learn = ['oifname "wan" meta l4proto udp update @used { udp sport }']
        return _remembered("set used", "inet_service", nat) + _chain(
            "learn", "filter hook postrouting priority srcnat + 10", learn
        )
    return ""


def _inside_hosts(nat: Nat, key: str, sent: str, answered: str) -> str:
    """A map of who inside is reached by what; `sent` and `answered` are the key in packets out and in."""
    learn = [
        f'iifname "lan" oifname "wan" meta l4proto udp update @inside {{ {sent} : ip saddr }}',
        f'iifname "wan" meta l4proto udp update @inside {{ {answered} : ip daddr }}',
    ]
    # After the decision to forward: what is dropped opens nothing.
    return _remembered("map inside", f"{key} : ipv4_addr", nat) + _chain(
        "learn", "filter hook forward priority filter + 10", learn
    )


def _prerouting(nat: Nat, address: IPv4Address) -> Iterator[str]:
    incoming = "" if nat.hairpinning else 'iifname "wan" '
    if nat.filtering is Filtering.ENDPOINT_INDEPENDENT:
        yield f"{incoming}ip daddr {address} meta l4proto udp dnat to udp dport map @inside"
    elif nat.filtering is Filtering.ADDRESS:
        yield f"{incoming}ip daddr {address} meta l4proto udp dnat to udp dport . ip saddr map @inside"


def _postrouting(nat: Nat, address: IPv4Address, inside: IPv4Network) -> Iterator[str]:
    if nat.hairpinning:
        yield f'oifname "lan" ct status dnat ip saddr {inside} snat to {address}'
    if nat.mapping is Mapping.ADDRESS_AND_PORT and nat.port_choice is PortChoice.RANDOM:
        yield f'oifname "wan" meta l4proto udp snat to {address} random,fully-random'
    elif nat.mapping is Mapping.ADDRESS_AND_PORT and nat.port_choice is PortChoice.SEQUENTIAL:
        # A map, because the bare counter comes in the byte order of the machine, and a port does not.
        ports = ", ".join(f"{n} : {address} . {SEQUENTIAL_FIRST + n}" for n in range(SEQUENTIAL_PORTS))
        yield f'oifname "wan" meta l4proto udp snat to numgen inc mod {SEQUENTIAL_PORTS} map {{ {ports} }}'
    elif _keeps_free_ports(nat):
        yield f'oifname "wan" udp sport @used snat to {address} random,fully-random'
    yield f'oifname "wan" snat to {address}'


def _keeps_free_ports(nat: Nat) -> bool:
    return nat.mapping is Mapping.ADDRESS_AND_PORT and nat.port_choice is PortChoice.PRESERVING


def _input(nat: Nat) -> Iterator[str]:
    if not nat.open_box:
        # A flow the box had accepted for itself would hold the outside address against the host inside: protocol 41 has
        # no port to move to.
        yield 'iifname "wan" meta l4proto { udp, 41 } ct state new drop'


def _forward(nat: Nat) -> Iterator[str]:
    if not nat.passes_udp:
        yield "meta l4proto udp drop"
    if not nat.passes_protocol41:
        yield "meta l4proto 41 drop"
    yield 'iifname "lan" accept'
    yield "ct state established,related accept"
    yield "ct status dnat accept"
    yield "drop"


def _remembered(name: str, kind: str, nat: Nat) -> str:
    return f"\t{name} {{\n\t\ttype {kind}\n\t\tflags dynamic,timeout\n\t\ttimeout {_seconds(nat)}s\n\t}}\n"


def _chain(name: str, place: str, rules: Iterable[str]) -> str:
    """A chain, or nothing where there are no rules."""
    lines = "".join(f"\t\t{rule}\n" for rule in rules)
    return f"\tchain {name} {{\n\t\ttype {place}\n{lines}\t}}\n" if lines else ""


def _seconds(nat: Nat) -> int:
    """The kernel counts whole seconds."""
    return max(1, round(nat.mapping_timeout))
