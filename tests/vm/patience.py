"""How long things may take in the machine: without KVM some ten times as long as elsewhere."""

from typing import Final

from tests.netns.program import Tunnelmgr

PATIENCE: Final = 180.0  # seconds


def up(end: Tunnelmgr) -> None:
    """Bring the profile of an end up."""
    end.run("up", end.profile, "--timeout", str(PATIENCE), timeout=2 * PATIENCE)
