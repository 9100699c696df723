"""Switches below /proc/sys."""

from collections.abc import Iterator
from pathlib import Path

from tunnelmgr.host.constants import DEVICE_SYSCTLS, FORWARDING
from tunnelmgr.host.items import Sysctl

_ROOT = Path("/proc/sys")
_INTERFACES = Path("net/ipv6/conf")


async def set_sysctl(_: Sysctl | None, after: Sysctl | None) -> None:
    """Write a switch. Raises OSError: EROFS in most containers, ENOENT where the kernel or the device lacks it."""
    if after:  # else what it was is not known
        (_ROOT / after.path).write_text(after.value)


def sysctls_of(device: str) -> Iterator[Sysctl]:
    """Return the switches a plan looks at: those of the device, forwarding, who hears routers, who answers for others."""
    paths = {_INTERFACES / device / name for name in DEVICE_SYSCTLS} | {Path(FORWARDING)}
    paths |= {found.relative_to(_ROOT) for found in (_ROOT / _INTERFACES).glob("*/accept_ra")}
    paths |= {path.with_name("proxy_ndp") for path in paths if path.name == "accept_ra"}
    yield from filter(None, (read_sysctl(str(path)) for path in sorted(paths)))


def read_sysctl(path: str) -> Sysctl | None:
    """Return a switch as it stands; None without its device, or on a kernel without it."""
    try:
        return Sysctl(path, (_ROOT / path).read_text().strip())
    except OSError:
        return None
