"""What becomes of the things we put on this machine."""

from enum import Enum


class Fate(Enum):
    """What becomes of a thing that is not wanted any more."""

    REMOVED = "removed"
    """It bears our mark, so whatever there is of it is ours."""
    RESTORED = "restored"
    """A switch of the whole machine becomes what it was."""
    LEFT = "left"
    """It vanishes with the device, and does no harm until then."""
