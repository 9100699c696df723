"""A PostgreSQL of its own: Debian's programs, a cluster in a folder, a port of loopback. Never the machine's service."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import debian

_INSTALLED = Path("/usr/lib/postgresql")
_PACKAGES = ("postgresql-15", "libpq5", "libldap-2.5-0", "libsasl2-2")


def programs() -> tuple[Path, str]:
    """Return the folder with initdb and postgres, and the LD_LIBRARY_PATH they need. Raises debian.Unavailable."""
    installed = sorted(_INSTALLED.glob("*/bin/initdb"))
    if installed:
        return installed[-1].parent, ""
    root = debian.unpacked(*_PACKAGES)
    found = sorted(root.glob("usr/lib/postgresql/*/bin/initdb"))
    if not found:
        raise debian.Unavailable("Debian's package holds no initdb")
    return found[-1].parent, debian.library_path(root)


@contextmanager
def cluster() -> Iterator[str]:
    """Run a server on a free port and yield SQLAlchemy's URL of its database. Raises debian.Unavailable."""
    # Not below pytest's own folder, which every pytest that starts closes to others again.
    with tempfile.TemporaryDirectory(prefix="postgresql") as folder, _running(Path(folder)) as url:
        yield url


@contextmanager
def _running(folder: Path) -> Iterator[str]:
    binaries, libraries = programs()
    user = _give_away(folder)
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries, "LC_ALL": "C.UTF-8"}
    data, port = folder / "data", _free_port()

    def run(*words: str) -> None:
        done = subprocess.run(
            words,
            user=user,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise debian.Unavailable(f"{Path(words[0]).name} fails here: {done.stderr.strip()[-300:]}")

    run(str(binaries / "initdb"), "-D", str(data), "-U", "tsp", "-A", "trust", "--no-sync")
    # No durability against a crash of the machine: it would only make the test slow.
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    log = str(folder / "log")
    run(str(binaries / "pg_ctl"), "-D", str(data), "-l", log, "-o", options, "-w", "start")
    try:
        yield f"postgresql+psycopg://tsp@127.0.0.1:{port}/postgres"
    finally:
        run(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")


def _give_away(folder: Path) -> str | None:
    """Let somebody else than root own the cluster, since PostgreSQL refuses root; return the name."""
    if os.geteuid() != 0:
        return None
    shutil.chown(folder, "nobody")
    return "nobody"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
