"""What one profile changed on this machine, written down before it is changed."""

from pathlib import Path

from tunnelmgr.host.plan import Step


class Journal:
    """The record of one profile, locked for as long as its process lives (`flock`, which survives a fork)."""

    @classmethod
    def take(cls, path: Path) -> "Journal":
        """Open and lock the journal at `path`; makes its directory. TunnelError when its owner lives."""

    def record(self, step: Step) -> None:
        """Write down a step that is about to be taken."""

    def steps(self) -> list[Step]:
        """Return the net change since the journal was last empty, in order."""

    def forget(self) -> None:
        """Empty the journal: everything has been taken back."""

    def close(self) -> None:
        """Unlock. An empty journal is removed."""
