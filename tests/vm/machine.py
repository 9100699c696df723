"""A stock Debian kernel under qemu, on this machine's own files: for what the kernel under us lacks.

The root of the machine is this one's, read-only through 9p with a layer of memory above, so that it has our work tree,
Python and programs at no cost and leaves nothing behind. It has no network device. Nothing is installed: qemu, the kernel
and busybox are Debian packages unpacked into the cache. With a /dev/kvm that works it runs at full speed, else several
times slower, by qemu's own interpreter.
"""

import gzip
import os
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.peers import debian

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
MEMORY: Final = "3G"
NEEDED: Final = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""Modules for the way to the root; all others the kernel finds there."""


def run_in_machine(words: Sequence[str], timeout: float) -> int:
    """Run a command in this work tree inside the machine, its output on ours; return its exit status.

    Raises debian.Unavailable where the packages cannot be had, RuntimeError when the machine ends without that status.
    """
    emulator = debian.unpacked_whole("qemu-system-x86")
    system = debian.unpacked(debian.first_dependency("linux-image-amd64"), "busybox-static")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder)
        (report / "words").write_text(f"{shlex.join(words)}\n")
        (report / "initial").write_bytes(gzip.compress(b"".join(_archive(_initial_files(system))), 1))
        subprocess.run(_qemu(emulator, system, report), timeout=timeout, check=True, env=_environment(emulator))
        status = report / "status"
        if not status.exists():
            raise RuntimeError("the machine ended before the command did; what it said last is above")
        return int(status.read_text())


def _environment(emulator: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": debian.library_path(emulator)}


def _qemu(emulator: Path, system: Path, report: Path) -> list[str]:
    (kernel,) = system.glob("boot/vmlinuz-*")
    share = "local,security_model=none,multidevs=remap"
    parameters = f"console=ttyS0 quiet panic=-1 rdinit=/init WORK={ROOT} LIBRARY={system}"
    return [
        str(emulator / "usr/bin/qemu-system-x86_64"),
        *("-L", str(emulator / "usr/share/qemu"), "-L", str(emulator / "usr/share/seabios")),
        *("-accel", "kvm" if _has_kvm() else "tcg,thread=multi", "-cpu", "max", "-smp", str(os.cpu_count()), "-m", MEMORY),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"),
        *("-kernel", str(kernel), "-initrd", str(report / "initial"), "-append", parameters),
        *("-virtfs", f"{share},path=/,mount_tag=host,readonly=on"),
        *("-virtfs", f"{share},path={report},mount_tag=report"),
    ]


def _has_kvm() -> bool:
    """Whether qemu can have the processor's own help. Some virtual machines have the device and no such processor."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and ("vmx" in flags or "svm" in flags)


def _initial_files(system: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield name, mode and content of what the kernel is given to begin with."""
    modules = _in_order(system)
    yield "bin", stat.S_IFDIR | 0o755, b""
    yield "modules", stat.S_IFDIR | 0o755, b""
    yield "bin/busybox", stat.S_IFREG | 0o755, (system / "bin/busybox").read_bytes()
    yield "init", stat.S_IFREG | 0o755, (HERE / "init.sh").read_bytes()
    yield "modules/order", stat.S_IFREG | 0o644, "".join(f"{module.name}\n" for module in modules).encode()
    for module in modules:
        yield f"modules/{module.name}", stat.S_IFREG | 0o644, module.read_bytes()


def _in_order(system: Path) -> list[Path]:
    """Return the needed modules, each after those it depends on."""
    (folder,) = system.glob("lib/modules/*")
    if not (folder / "modules.dep").exists():
        subprocess.run([system / "bin/busybox", "depmod", "-b", system, folder.name], check=True)
    wanted: dict[Path, None] = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        module, _, dependencies = line.partition(":")
        if Path(module).stem in NEEDED:
            # The nearest comes first in the line, what it leans on behind.
            wanted.update(dict.fromkeys(folder / name for name in [*reversed(dependencies.split()), module]))
    return list(wanted)


def _archive(files: Iterable[tuple[str, int, bytes]]) -> Iterator[bytes]:
    """Yield a cpio archive of the kind "newc", which the kernel unpacks (its driver-api/early-userspace)."""
    for number, (name, mode, content) in enumerate([*files, ("TRAILER!!!", 0, b"")], 1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        yield _padded(header + path)
        yield _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
