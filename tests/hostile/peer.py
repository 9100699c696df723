"""What every hostile peer is: a function from a datagram to what is sent because of it."""

from collections.abc import Callable, Iterable

from tunnelmgr.api.network import Endpoint

Answers = Iterable[tuple[bytes, Endpoint]]
Peer = Callable[[bytes, Endpoint], Answers]
"""Takes a question and who asks; returns datagrams, each with its receiver. Raises WireError for a question of no sense."""
