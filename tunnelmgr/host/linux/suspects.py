"""Guesses which program of this machine could have changed what is ours: those that do such things, as far as they run."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from tunnelmgr.host.items import Address, Advertisement, Item, LinkUp, Mtu, Resolvers, Route, Rule, Sysctl, Table

_LINKS: Final = (Address, LinkUp, Mtu, Route, Rule, Sysctl)
_MINDERS: Final[Mapping[str, tuple[type[Item], ...]]] = {
    "firewalld": (Table,),
    "ufw": (Table,),
    "dockerd": (Table, Sysctl),
    "containerd": (Table, Sysctl),
    "libvirtd": (Table, Sysctl),
    "fail2ban-server": (Table,),
    "NetworkManager": (*_LINKS, Resolvers),
    "systemd-network": (*_LINKS,),  # systemd-networkd: the kernel keeps 15 bytes of a name
    "dhcpcd": (*_LINKS, Resolvers),
    "dhclient": (Resolvers,),
    "connmand": (*_LINKS, Resolvers),
    "systemd-resolve": (Resolvers,),
    "bird": (Route, Rule),
    "zebra": (Route, Rule),
    "radvd": (Advertisement,),
}
_NFTABLES_UNIT = Path("etc/systemd/system/sysinit.target.wants/nftables.service")


def suspects(lost: Collection[Item], author: str = "", root: Path = Path("/")) -> tuple[str, ...]:
    """Return them, the surest first. `author` is who changed a table last, as the kernel says."""
    tables = any(isinstance(item, Table) for item in lost)
    found = [f"the kernel names {author}"] if tables and author else []
    if tables and (root / _NFTABLES_UNIT).is_symlink():
        found.append("nftables.service, which begins with `flush ruleset`")
    known = set(_running(root)) & set(_MINDERS)
    return (*found, *sorted(name for name in known if any(isinstance(item, _MINDERS[name]) for item in lost)))


def _running(root: Path) -> Iterator[str]:
    here = root / "proc/thread-self/ns/net"
    for comm in (root / "proc").glob("[0-9]*/comm"):
        try:
            if comm.with_name("ns").joinpath("net").samefile(here):
                yield comm.read_text(errors="replace").strip()
        except OSError:
            continue  # a process that ended meanwhile
