"""Where the process of a profile keeps its files: socket, journal and log, and its memory."""

import os
from dataclasses import dataclass
from pathlib import Path

RUNTIME_DIR = Path("/run/tunnelmgr")
STATE_DIR = Path("/var/lib/tunnelmgr")


@dataclass(frozen=True, slots=True)
class Runtime:
    """The two directories of this system. Each is made, with mode 0755, when something is first written to it."""

    runtime_dir: Path = RUNTIME_DIR
    """Empty after a reboot: `<name>.sock`, `<name>.journal`, `<name>.log`, `<name>.radvd`."""
    state_dir: Path = STATE_DIR
    """Kept for ever: `<name>.memory`, what methods asked to be remembered."""

    @classmethod
    def from_environment(cls) -> "Runtime":
        """Read TUNNELMGR_RUNTIME_DIR and TUNNELMGR_STATE_DIR."""
        return cls(
            Path(os.environ.get("TUNNELMGR_RUNTIME_DIR") or RUNTIME_DIR),
            Path(os.environ.get("TUNNELMGR_STATE_DIR") or STATE_DIR),
        )

    def socket(self, name: str) -> Path:
        """Return the path of a profile's control socket."""
        return self.runtime_dir / f"{name}.sock"

    def journal(self, name: str) -> Path:
        """Return the path of the journal of what a profile changed on this host."""
        return self.runtime_dir / f"{name}.journal"

    def radvd(self, name: str) -> Path:
        """Return the path of the radvd configuration for a profile's LAN."""
        return self.runtime_dir / f"{name}.radvd"

    def log(self, name: str) -> Path:
        """Return the path of a detached profile's log, where there is no system journal."""
        return self.runtime_dir / f"{name}.log"

    def memory(self, name: str) -> Path:
        """Return the path of the memory of a profile's methods."""
        return self.state_dir / f"{name}.memory"
