"""What the kernel's own tunnel carried, read from the counters of its device: its packets never come to this process."""

from collections.abc import Sequence
from ipaddress import IPv6Network
from pathlib import Path
from typing import Final, NamedTuple

from tunnelmgr.api.status import PathUse

_COUNTERS: Final = Path("/proc/thread-self/net/dev")


class Carried(NamedTuple):
    """Packets and bytes since the device was made, in the order of `PathUse`."""

    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int


def carried(device: str, counters: Path) -> Carried | None:
    """Read the counters of a device; None when it is not there (proc_net_dev(5))."""
    for line in counters.read_bytes().split(b"\n"):  # names of other devices may be anything but a line's end
        name, _, figures = line.partition(b":")
        if name.strip() == device.encode():
            columns = [int(figure) for figure in figures.split()]
            return Carried(columns[1], columns[0], columns[9], columns[8])
    return None


class KernelUse:
    """The use of one prefix, as far as a device's counters tell it."""

    def __init__(self, device: str, prefix: IPv6Network, counters: Path = _COUNTERS) -> None:
        self._device = device
        self._counters = counters
        self._prefix = prefix
        self._seen = carried(device, counters) or Carried(0, 0, 0, 0)
        self._received_at: float | None = None
        self._sent_at: float | None = None

    def uses(self, now: float) -> Sequence[PathUse]:
        """Return what was carried since the last call; the last packet each way may be as old as that call."""
        found = carried(self._device, self._counters)
        if found is None or found == self._seen:
            return ()
        # A device that was made anew counts from 0.
        since = Carried(*(new - old if new >= old else new for new, old in zip(found, self._seen, strict=True)))
        self._seen = found
        self._received_at = now if since.packets_received else self._received_at
        self._sent_at = now if since.packets_sent else self._sent_at
        return (PathUse(self._prefix, self._received_at, self._sent_at, *since),)
