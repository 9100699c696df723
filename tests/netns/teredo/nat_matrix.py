"""Teredo clients behind every kind of NAT calling each other, ours and Debian's, in one namespace internet.

Every cell of the matrix is a cold start: caller and called are a pair of sites that has never exchanged a packet, since
each NAT, side (calling or called) and client has a site of its own. So cells may run side by side. Behind an open box each
cell has a called site to itself: a box that once gave a flow another port gives it to the flows to later peers, too
(docs/protocols/nat-lab.md, "The race").

            caller, ours or Debian's --- NAT --- backbone --- NAT --- called, ours or Debian's
                                                    |
                                        the server, Debian's or ours
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from ipaddress import IPv6Address
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tests.netns.program import Tunnelmgr, ping
from tests.peers.miredo import MiredoClient, MiredoServer
from tests.peers.teredo_internet import SERVER_NAME
from tunnelmgr.lab.namespaces import Host, NamespaceInternet
from tunnelmgr.lab.vocabulary import NatKind

PINGS = 24  # per cell
PING_INTERVAL = 0.5  # seconds
STARTED_AT_ONCE = 6  # clients; each one takes a second of a core

# As in docs/protocols/nat-lab.md section 2.
KINDS = (
    NatKind.NONE,
    NatKind.FULL_CONE,
    NatKind.ADDRESS_RESTRICTED,
    NatKind.PORT_RESTRICTED,
    NatKind.PORT_RESTRICTED_OPEN_BOX,
    NatKind.SYMMETRIC,
    NatKind.SYMMETRIC_SEQUENTIAL,
)


OUR_SERVER = "name: server\nmethod: {type: teredo, role: server, addresses: [192.0.2.1, 192.0.2.2]}\n"


class Client(Enum):
    """Whose program a client, or the server, is. The value is the word for people."""

    OURS = "ours"
    DEBIANS = "Debian's"


class Cell(NamedTuple):
    """One question: does a caller behind the NAT `row` reach a client behind the NAT `column`?"""

    caller: Client
    called: Client
    row: NatKind
    column: NatKind

    def __str__(self) -> str:
        return f"{self.caller.value} {self.row.value} to {self.called.value} {self.column.value}"


OPEN = frozenset({NatKind.NONE, NatKind.FULL_CONE, NatKind.ADDRESS_RESTRICTED})
SYMMETRIC = frozenset({NatKind.SYMMETRIC, NatKind.SYMMETRIC_SEQUENTIAL})
CONNECTED = 22  # answers: Miredo may lose the first echo requests, which it queues for a peer not heard yet

ALL = tuple(Cell(*cell) for cell in product(Client, Client, KINDS, KINDS))


def connects(cell: Cell) -> bool:
    """Whether it must work: nat-lab.md section 2, and what is bold there where our client can do something about it."""
    if cell.row in OPEN:
        return True
    if cell.row in SYMMETRIC:
        # With RFC 6081 section 5.2 on both sides.
        return cell.column in OPEN and cell.caller is cell.called is Client.OURS
    if cell.column is NatKind.PORT_RESTRICTED_OPEN_BOX:
        # Who calls must not send the direct bubble first, as Miredo does.
        return cell.caller is Client.OURS
    return cell.column not in SYMMETRIC


_Corner = tuple[str, Client, NatKind, str]
"""A side, the client there, the NAT in front of it, and the cell it is reserved for, if it is."""


class MatrixInternet:
    """The internet with the clients of some cells, all of them up."""

    def __init__(self, internet: NamespaceInternet, cells: Iterable[Cell], folder: Path) -> None:
        self._internet = internet
        self._folder = folder
        corners = sorted({corner for cell in cells for corner in _corners(cell)}, key=str)
        self._hosts: dict[_Corner, Host] = {
            corner: internet.site(f"{corner[0]}-{number}", corner[2]).inside for number, corner in enumerate(corners)
        }
        with ThreadPoolExecutor(STARTED_AT_ONCE) as pool:
            self._addresses = dict(zip(corners, pool.map(self._start, corners), strict=True))

    def answered(self, cells: Iterable[Cell]) -> dict[Cell, int]:
        """Let the callers of these cells call, all at once; return how many of PINGS were answered."""
        asked = list(cells)
        with ThreadPoolExecutor(len(asked)) as pool:
            return dict(zip(asked, pool.map(self._call, asked), strict=True))

    def _call(self, cell: Cell) -> int:
        caller, called = _corners(cell)
        return ping(self._hosts[caller], self._addresses[called], PINGS, interval=PING_INTERVAL)

    def _start(self, corner: _Corner) -> IPv6Address:
        host = self._hosts[corner]
        if corner[1] is Client.DEBIANS:
            return MiredoClient(host, server=SERVER_NAME, folder=self._folder).start()
        tunnelmgr = Tunnelmgr(host, self._folder)
        tunnelmgr.up()
        return tunnelmgr.address()


@contextmanager
def matrix_internet(
    name: str, cells: Iterable[Cell], folder: Path, *, server_is: Client = Client.DEBIANS
) -> Iterator[MatrixInternet]:
    """Build it; it is gone after the with block. Raises as `teredo_internet` does."""
    with NamespaceInternet(name) as internet:
        server = internet.host("server", "192.0.2.1", "192.0.2.2", "2001:db8:1::1", names=[SERVER_NAME])
        if server_is is Client.DEBIANS:
            MiredoServer(server, folder=folder).start()
        else:
            Tunnelmgr(server, folder, OUR_SERVER).up()
        yield MatrixInternet(internet, cells, folder)


def _corners(cell: Cell) -> tuple[_Corner, _Corner]:
    reserved = str(cell) if cell.column is NatKind.PORT_RESTRICTED_OPEN_BOX else ""
    return ("a", cell.caller, cell.row, ""), ("b", cell.called, cell.column, reserved)
