"""How resolvers are handed to the program that minds this host's, in the words of resolvectl and resolvconf.

As wg-quick does it: names are asked of the tunnel's resolvers first, or of them alone where the helper can say so.
"""

import shlex
from collections.abc import Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Resolver = IPv4Address | IPv6Address


class ResolverHelper(Enum):
    """Who minds the resolvers of this host."""

    RESOLVECTL = "resolvectl"
    """systemd-resolved; what it was told of a device goes with the device."""
    RESOLVCONF = "resolvconf"
    """Debian's resolvconf, or openresolv."""


class Command(NamedTuple):
    """A program with its arguments, and what it is to read."""

    words: tuple[str, ...]
    script: str = ""

    def line(self) -> str:
        """Return it as a user would type it."""
        command = " ".join(self.words)  # none of the words needs quotes, and a shell leaves "~." alone
        return f"printf {shlex.quote(self.script).replace(chr(10), chr(92) + 'n')} | {command}" if self.script else command


def handing_over(helper: ResolverHelper, device: str, servers: Sequence[Resolver]) -> list[Command]:
    """Return how a device's resolvers are made known, in the place of what was known of it."""
    texts = tuple(str(server) for server in servers)
    match helper:
        case ResolverHelper.RESOLVECTL:
            return [Command(("resolvectl", "dns", device, *texts)), Command(("resolvectl", "domain", device, "~."))]
        case ResolverHelper.RESOLVCONF:
            script = "".join(f"nameserver {text}\n" for text in texts)
            # The options are openresolv's: before all others, and alone. Debian's resolvconf goes by the record's name.
            return [Command(("resolvconf", "-a", _record(device), "-m", "0", "-x"), script)]


def taking_back(helper: ResolverHelper, device: str) -> list[Command]:
    """Return how they are forgotten."""
    match helper:
        case ResolverHelper.RESOLVECTL:
            return [Command(("resolvectl", "revert", device))]
        case ResolverHelper.RESOLVCONF:
            return [Command(("resolvconf", "-d", _record(device), "-f"))]


def _record(device: str) -> str:
    # Debian's interface-order(5) has records that begin with "tun" before those of network cards, and knows no "tm-".
    return f"tun.{device}"
