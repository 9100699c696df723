"""What the broker and the service that keeps its leases say to each other."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """Numbers for the address plan, held by an owner."""

    owner: str
    slot: int
    prefix_slot: int | None
    anonymous: bool
    broker: str
    """Who gave it."""


@dataclass(frozen=True, slots=True)
class LeaseClaim:
    """Give the owner its lease, the old one if there is one. Answer: a `Lease`, or None when nothing is free.

    A prefix that was given stays; one that is free is added when it is wanted.
    """

    owner: str
    anonymous: bool
    wants_prefix: bool


@dataclass(frozen=True, slots=True)
class Release:
    """Take the owner's lease back; without one, nothing happens. Answer: None."""

    owner: str


@dataclass(frozen=True, slots=True)
class ListLeases:
    """Answer: all leases, as a tuple, by slot."""
