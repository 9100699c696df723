"""Show it: an internet on this machine, a host behind a NAT that has no IPv6, `tunnelmgr up`, and it has.

    sudo make demo

The far end is software nobody here wrote: Debian's Miredo as Teredo server and relay, unpacked into .cache and never
installed. Everything happens in network namespaces that are gone at the end.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.peers.debian import Unavailable
from tests.peers.teredo_internet import SERVER_NAME, teredo_internet
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.lab.namespaces import Host, destroy

PROFILE = "configs/home.yaml"
TUNNELMGR = Path(sys.executable).with_name("tunnelmgr")
NATIVE_NAME = "ipv6-only.example.net"
MAP = f"""
    home --- NAT --- the IPv4 internet --- {SERVER_NAME}   a Teredo server: Debian's Miredo
                                       `-- a Teredo relay: Debian's Miredo --- {NATIVE_NAME}
"""


def main() -> int:
    """Tell the story; return the exit status."""
    if os.geteuid() != 0:
        print("The demonstration makes network namespaces, which needs root: sudo make demo", file=sys.stderr)
        return ExitCode.NO_PERMISSION
    destroy("demo")  # what a demonstration that was killed has left
    try:
        with tempfile.TemporaryDirectory() as folder, teredo_internet("demo", Path(folder)) as world:
            return tell(world.home.inside, Path(folder))
    except (TunnelError, Unavailable) as error:
        print(error, file=sys.stderr)
        return error.exit_code if isinstance(error, TunnelError) else ExitCode.FAILED


def tell(home: Host, folder: Path) -> int:
    """Run the commands a user would type, on the host at home."""
    print(f"An internet of network namespaces:\n{MAP}")
    print("At home there is IPv4 only, and the router translates it:\n")
    if run(home, folder, "ping -6 -c 1 -W 2", NATIVE_NAME) == 0:
        print("That should not have been answered.", file=sys.stderr)
        return ExitCode.FAILED
    print("Now with a tunnel:\n")
    for words in (
        ("tunnelmgr up", PROFILE),
        ("ping -6 -c 3 -i 0.3", NATIVE_NAME),
        ("tunnelmgr status home",),
        ("tunnelmgr down home",),
    ):
        if status := run(home, folder, *words):
            print(f"That failed with exit status {status}.", file=sys.stderr)
            return status
    print("The tunnel is gone, and so is this internet.")
    return ExitCode.DONE


def run(home: Host, folder: Path, *words: str) -> int:
    """Show a command, run it at home, and return its exit status."""
    line = " ".join(words)
    print(f"home$ {line}", flush=True)
    arguments = [str(TUNNELMGR) if word == "tunnelmgr" else word for word in shlex.split(line)]
    own = {"TUNNELMGR_RUNTIME_DIR": f"{folder}/run", "TUNNELMGR_STATE_DIR": f"{folder}/state"}
    done = subprocess.run(home.command(arguments), env={**os.environ, **own}, stderr=subprocess.STDOUT, check=False)
    print(flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
