"""How a profile's name becomes the names of its device, routing table and firewall table."""

import hashlib
import re

from tunnelmgr.host.constants import DEVICE_NAME_MAX, DEVICE_PREFIX, NFT_TABLE_PREFIX, ROUTE_TABLE_BASE

_KEPT = 7  # characters of a long name that stay readable: 15 less "tm-", "-" and four hex digits


def device_name(profile: str) -> str:
    """Return the name of a profile's tunnel device: `tm-<name>`, shortened with a hash where that is too long.

    Characters the kernel refuses in a device's name become `-`, and then the name carries the hash too.
    """
    safe = re.sub(r"[^A-Za-z0-9._+-]", "-", profile)
    name = DEVICE_PREFIX + safe
    if safe == profile and len(name) <= DEVICE_NAME_MAX:
        return name
    return f"{DEVICE_PREFIX}{safe[:_KEPT]}-{_digest(profile)}"


def is_ours(device: str) -> bool:
    """True if a device of this name is a tunnel of ours."""
    return device.startswith(DEVICE_PREFIX)


def route_table(device: str) -> int:
    """Return the number of the device's own routing table: the same for every start of the same profile."""
    return ROUTE_TABLE_BASE + int(_digest(device), 16)


def nft_table(device: str, purpose: str = "") -> str:
    """Return the name of the device's nft table for one purpose. Two devices never share one.

    nft allows letters, digits and `_` only (and `/`, `\\`, `.`); a name that had others carries a hash.
    """
    bare = device.removeprefix(DEVICE_PREFIX)
    name = NFT_TABLE_PREFIX + bare
    if not re.fullmatch(r"[A-Za-z0-9]+", bare) or bare == device:
        name = f"{NFT_TABLE_PREFIX}{re.sub(r'[^A-Za-z0-9]', '_', bare)}_{_digest(device)}"
    return f"{name}_{purpose}" if purpose else name


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:4]
