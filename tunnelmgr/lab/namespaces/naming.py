"""What a lab calls its namespaces, and which names the programs inside them can resolve.

Every namespace is called `tml-<lab>-<host>`: several labs stand side by side, and what a killed lab left behind is
found by its name alone. Lab names have no hyphen, so that no lab's name begins another's.

`ip netns exec` binds the files of `/etc/netns/<namespace>/` over those of `/etc/`. One folder per lab, linked to by
all its namespaces, gives every host the same names; a file bound this way shows what is appended to it later.
"""

import re
import shutil
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from tunnelmgr.api.errors import TunnelError

NAMESPACES = Path("/run/netns")
FILES = Path("/etc/netns")
BACKBONE = "net"  # the host in the middle; every lab has one
HOST_NAME_LENGTH = 11  # characters; a host lends its name, and "-nat", to an interface, which may have 15


def check_lab_name(name: str) -> None:
    """Raise TunnelError unless a lab can be called `name`."""
    if not re.fullmatch(r"[a-z0-9]{1,20}", name):
        raise TunnelError(f"lab name {name!r} is not 1 to 20 letters a-z and digits", hint="choose another name")


def check_host_name(name: str) -> None:
    """Raise TunnelError unless a host or a site can be called `name`."""
    if not re.fullmatch(rf"[a-z][a-z0-9-]{{0,{HOST_NAME_LENGTH - 1}}}", name) or name == BACKBONE:
        raise TunnelError(
            f"host name {name!r} is not a letter a-z and up to {HOST_NAME_LENGTH - 1} letters, digits and hyphens",
            hint=f"choose another name, not {BACKBONE!r}",
        )


def namespace_of(lab: str, host: str) -> str:
    return f"tml-{lab}-{host}"


def labs() -> list[str]:
    """Every lab of this machine of which anything is left, sorted."""
    found = {re.match(r"tml-([a-z0-9]+)-", path.name) for folder in (NAMESPACES, FILES) for path in folder.glob("tml-*")}
    return sorted(match[1] for match in found if match)


def namespaces_of(lab: str) -> list[str]:
    """The namespaces of a lab, sorted; also those of which only the name files are left."""
    return sorted({path.name for folder in (NAMESPACES, FILES) for path in folder.glob(namespace_of(lab, "*"))})


def lay_out_files(lab: str) -> None:
    """Write the files that hold for all hosts of a lab, which knows no name but localhost yet."""
    folder = FILES / namespace_of(lab, BACKBONE)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    # A name that is not in the file is unknown at once: no daemon of the machine, no name server is asked.
    (folder / "resolv.conf").write_text("# only the names in /etc/hosts\n")
    (folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n")


def share_files(lab: str, host: str) -> None:
    """Let the programs of one more host see the lab's files. Raises TunnelError when the lab has this host."""
    try:
        (FILES / namespace_of(lab, host)).symlink_to(namespace_of(lab, BACKBONE))
    except FileExistsError as error:
        raise TunnelError(f"lab {lab} has a host {host}", hint="choose another name") from error


def add_names(lab: str, names: Iterable[str], addresses: Iterable[IPv4Address | IPv6Address]) -> None:
    words = " ".join(names)
    with (FILES / namespace_of(lab, BACKBONE) / "hosts").open("a") as hosts:
        hosts.writelines(f"{address} {words}\n" for address in addresses)


def remove_files(namespace: str) -> None:
    path = FILES / namespace
    if path.is_symlink():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
