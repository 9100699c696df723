"""The first process of a lab that is built without root: it holds the namespaces in which its user is root.

It runs as process 1 of a process namespace, so that the kernel ends every program of the lab with it, and nothing of the
lab outlives it: no device, no mount, no process. It is started by `keeping.start` as

    unshare --user --map-root-user --mount --net --pid --fork python -m tunnelmgr.lab.namespaces.keeper FOLDER

and says "ready", or why not, on standard output. Who it is stands in the file `keeper` of FOLDER.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tunnelmgr.lab.namespaces.keeping import READY, RECORD, Keeper

_RUN = Path("/run")
_BOUND = ("hosts", "nsswitch.conf", "resolv.conf")  # `ip netns exec` lays a lab's own over these


def main(folder: Path) -> None:
    """Prepare the namespaces and hold them until killed."""
    # /proc is still that of the outer process namespace, so this is what the outside calls this process.
    Keeper.of(int(os.readlink("/proc/self"))).write(folder / RECORD)
    try:
        _prepare(folder.resolve())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{error}: {getattr(error, 'stderr', '') or ''}".strip(": \n"))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the orphans that process 1 inherits
    print(READY, flush=True)  # noqa: T201 - this is said to the starter
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    while True:
        signal.pause()


def _prepare(folder: Path) -> None:
    """Give `ip netns` the two folders it writes to, which belong to the machine's root."""
    _mount("-t", "proc", "proc", "/proc")
    stage = folder / "stage"
    stage.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "tmpfs", str(stage))
    for name in ("netns", "etc/netns", "names"):
        (stage / name).mkdir(parents=True)
    for name in _BOUND:
        (stage / "etc" / name).touch()
    if folder.is_relative_to(_RUN):
        kept = stage / folder.relative_to(_RUN)
        kept.mkdir(parents=True)
        _mount("--bind", str(folder), str(kept))
    _mount("--rbind", str(stage), str(_RUN))
    _mount("-t", "overlay", "overlay", "-o", f"lowerdir={_RUN}/etc:/etc", "/etc")
    _mount("--bind", f"{_RUN}/names", "/etc/netns")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True, text=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
