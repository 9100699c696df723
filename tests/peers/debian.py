"""Programs of Debian as peers for tests, without installing them.

Packages are downloaded and unpacked into `.cache/peers`, so that their daemons never become services of this machine:
no maintainer script runs, no unit file lands where systemd looks.
"""

import fcntl
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache/peers"


class Unavailable(Exception):  # noqa: N818 (a state of this machine, not an error)
    """Why a peer cannot be had here, in one sentence."""


def unpacked(*packages: str) -> Path:
    """Return a folder that looks like / with `packages` installed, fetched when it is not there yet.

    Raises Unavailable where there is no apt, or it cannot reach the packages.
    """
    return _unpacked("+".join(packages), lambda: packages)


def unpacked_whole(package: str) -> Path:
    """As `unpacked`, with everything the package depends on that this machine has not installed."""
    return _unpacked(f"{package}+dependencies", lambda: _with_dependencies(package))


def first_dependency(package: str) -> str:
    """Return what a package without content of its own stands for: the newest kernel, say. Raises Unavailable."""
    return _depends(package)[0]


def _unpacked(folder: str, packages: Callable[[], Sequence[str]]) -> Path:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unavailable("real peers are unpacked from Debian packages, and this machine has no apt-get and dpkg-deb")
    # A work tree may be shared between machines of several releases.
    release = platform.freedesktop_os_release()
    root = CACHE / f"{release['ID']}-{release.get('VERSION_CODENAME', 'unknown')}" / folder
    root.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        # Several test workers may want the same peer at once; the lock ends with the file.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            _fetch(packages(), root)
    return root


def library_path(root: Path) -> str:
    """The LD_LIBRARY_PATH for programs of `root`."""
    return ":".join(sorted({str(library.parent) for library in root.glob("**/lib/**/*.so*")}))


def _fetch(packages: Sequence[str], root: Path) -> None:
    download = root.with_name(f"{root.name}.download")
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir()
    # A fresh machine has no package lists yet, an old one stale ones.
    if _apt_get("download", *packages, folder=download) and (
        _apt_get("update", folder=download) or _apt_get("download", *packages, folder=download)
    ):
        raise Unavailable(f"apt-get cannot download {' '.join(packages)} here")
    for package in download.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, download / "root"], check=True)
    # At once or not at all: an interrupted test run must not leave half a peer.
    (download / "root").rename(root)
    shutil.rmtree(download)


def _with_dependencies(package: str) -> list[str]:
    known = subprocess.run(["dpkg-query", "-Wf", "${Status}=${Package}\\n"], capture_output=True, text=True, check=True)
    installed = {line.partition("=")[2] for line in known.stdout.splitlines() if line.startswith("install ok installed=")}
    return [package, *(name for name in _depends("--recurse", package) if name not in installed | {package})]


def _depends(*words: str) -> list[str]:
    others = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    command = ["apt-cache", "depends", *(f"--no-{other}" for other in others), *words]
    for _ in range(2):
        # Indented lines name what a package depends on; at the margin stand the real packages among them.
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        real = [name for name in said if not name.startswith(("<", "|")) and not name.endswith(":")]
        if len(real) > 1:
            return sorted(set(real) - {words[-1]})
        _apt_get("update", folder=CACHE)
    raise Unavailable(f"apt-cache knows nothing of {words[-1]} here")


def _apt_get(*arguments: str, folder: Path) -> int:
    # As root apt would download as the user _apt, who may not write into the cache.
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::http::Timeout=20", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode
