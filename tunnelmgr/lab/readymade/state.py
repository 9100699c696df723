"""How a ready-made lab stands, read from its namespaces."""

import json
from dataclasses import dataclass
from ipaddress import ip_interface

from tunnelmgr.lab.namespaces import Host
from tunnelmgr.lab.namespaces.programs import Program, programs_in
from tunnelmgr.lab.readymade.description import Client, Router
from tunnelmgr.lab.readymade.lab import Lab
from tunnelmgr.lab.readymade.topology import LAN_HOST, LAN_INTERFACE, LAN_ROUTER, PUBLIC_HOSTS

_TITLES = {plan.name: plan.purpose for plan in PUBLIC_HOSTS} | {LAN_HOST: f"behind {LAN_INTERFACE} of {LAN_ROUTER}"}


@dataclass(frozen=True, slots=True)
class HostState:
    """One host."""

    name: str
    purpose: str
    addresses: tuple[str, ...]
    """Those it has, tunnels included; none of loopback or of a link alone."""
    router: Router | None
    """None when it is not a router."""
    programs: tuple[Program, ...]


@dataclass(frozen=True, slots=True)
class LabState:
    """A lab as `lab status` shows it."""

    lab: str
    folder: str
    """Of what its programs write."""
    hosts: tuple[HostState, ...]


def state_of(lab: Lab) -> LabState:
    """Look at a lab. Raises TunnelError when a namespace of it cannot be read."""
    routers = {f"{client.name}-nat": client for client in lab.description.clients}
    hosts = tuple(_host(host, routers.get(host.name)) for host in lab.hosts())
    return LabState(lab.description.lab, str(lab.folder), hosts)


def _host(host: Host, routes_for: Client | None) -> HostState:
    said = host.run(["ip", "-json", "address"]).stdout
    return HostState(
        host.name,
        _purpose(host.name, routes_for),
        addresses_in(said),
        routes_for.router if routes_for else None,
        tuple(programs_in(host.namespace)),
    )


def _purpose(name: str, routes_for: Client | None) -> str:
    if routes_for:
        return f"router of {routes_for.name}"
    return _TITLES.get(name) or ("client" if name.startswith("client") else "the backbone")


def addresses_in(said: str) -> tuple[str, ...]:
    """Return the addresses in what `ip -json address` says that are of use beyond this host and its links. Pure."""
    addresses = (
        ip_interface(f"{entry['local']}/{entry['prefixlen']}").ip
        for interface in json.loads(said)
        for entry in interface.get("addr_info", ())
        if "local" in entry
    )
    return tuple(str(address) for address in addresses if not address.is_loopback and not address.is_link_local)
