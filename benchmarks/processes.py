"""What the programs of one host of the lab have used, as the kernel counts it."""

import os
from collections.abc import Iterator
from pathlib import Path

from tunnelmgr.lab.namespaces import Host


def pids(host: Host) -> list[str]:
    """Return the processes of a host's namespace."""
    return host.run(["ip", "netns", "pids", host.namespace]).stdout.split()


def cpu_time(host: Host) -> float:
    """Return the seconds of user and system time its processes have used, those that ended not included."""
    return sum(_ticks(host)) / os.sysconf("SC_CLK_TCK")


def resident(host: Host) -> int:
    """Return the bytes of memory its processes hold."""
    kilobytes = 0
    for pid in pids(host):
        for line in _read(pid, "status").splitlines():
            if line.startswith("VmRSS:"):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024


def udp_datagrams_sent(host: Host) -> int:
    """Return how many UDP datagrams have left a host's sockets, over IPv4."""
    with host.enter():
        lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Udp:"))
    return int(dict(zip(names, values, strict=True))["OutDatagrams"])


def packets(host: Host, device: str) -> tuple[int, int]:
    """Return how many packets a device of a host has received and sent."""
    with host.enter():
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    counters = next(line.partition(":")[2].split() for line in lines if line.strip().startswith(f"{device}:"))
    return int(counters[1]), int(counters[9])


def _ticks(host: Host) -> Iterator[int]:
    for pid in pids(host):
        fields = _read(pid, "stat").rpartition(")")[2].split()
        if fields:
            yield int(fields[11]) + int(fields[12])  # utime and stime: proc(5)


def _read(pid: str, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:  # it ended meanwhile
        return ""
