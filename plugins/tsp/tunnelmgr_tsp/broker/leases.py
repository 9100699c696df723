"""The leases of a broker, in a database: who has which address and prefix. The only place of this plugin that blocks.

One row a lease. Numbers are unique in the database itself, so that several brokers may share one, and a lease is there
entirely or not at all whenever a process dies.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.transport import make_private
from tunnelmgr_tsp.broker.leasing import Lease, LeaseClaim, ListLeases, Release
from tunnelmgr_tsp.constants import CLAIM_TRIES, DATABASE_BUSY_TIMEOUT

T = TypeVar("T")

_OWNER_MAX: Final = 200  # characters

_metadata = MetaData()
_leases = Table(  # its columns are the fields of Lease
    "tsp_leases",
    _metadata,
    Column("owner", String(_OWNER_MAX), primary_key=True),
    Column("slot", Integer, nullable=False, unique=True),
    Column("prefix_slot", Integer, nullable=True, unique=True),
    Column("anonymous", Boolean, nullable=False),
    Column("broker", String(_OWNER_MAX), nullable=False),
)


class Leases:
    """The service. Two of them on one database agree."""

    def __init__(
        self,
        url: str,
        broker: str,
        slots: int,
        prefix_slots: int,
        engine: Engine | None = None,
        *,
        folder: Path = Path(),
    ) -> None:
        """`slots` and `prefix_slots` bound the numbers given. Files without a path are in `folder`. Raises TunnelError."""
        self._broker = broker
        self._slots = slots
        self._prefix_slots = prefix_slots
        with _explained(url):
            self._engine = engine or open_database(url, folder)
            _retried(lambda: _metadata.create_all(self._engine))

    def handle(self, request: object) -> object:
        """Answer one request. Raises TunnelError while the database cannot be used."""
        with _explained(self._engine.url.render_as_string(hide_password=True)):
            match request:
                case LeaseClaim():
                    return _retried(lambda: self._claim(request))
                case Release(owner):
                    return _retried(lambda: self._release(owner))
                case ListLeases():
                    return self._list()
        raise TypeError(f"leases know no {request!r}")

    def close(self) -> None:
        self._engine.dispose()

    def _claim(self, claim: LeaseClaim) -> Lease | None:
        with self._engine.begin() as connection:
            row = connection.execute(select(_leases).where(_leases.c.owner == claim.owner)).one_or_none()
            if row is not None:
                lease = held = Lease(*row)
            elif (slot := self._free(connection, _leases.c.slot, self._slots)) is not None:
                lease, held = Lease(claim.owner, slot, None, claim.anonymous, self._broker), None
            else:
                return None
            if lease.prefix_slot is None and claim.wants_prefix:
                lease = replace(lease, prefix_slot=self._free(connection, _leases.c.prefix_slot, self._prefix_slots))
            lease = replace(lease, broker=self._broker)
            if held is None:
                connection.execute(insert(_leases).values(asdict(lease)))
            elif lease != held:  # most come back and change nothing
                connection.execute(update(_leases).where(_leases.c.owner == claim.owner).values(asdict(lease)))
            return lease

    @staticmethod
    def _free(connection: Connection, column: "Column[int]", bound: int) -> int | None:
        """Return the number after the largest in use, so that a freed one rests; at the end, the lowest gap."""
        largest = connection.execute(select(func.max(column))).scalar()
        after = 0 if largest is None else largest + 1
        if after < bound:
            return after
        used = set(connection.execute(select(column).where(column.is_not(None))).scalars())
        return next((number for number in range(bound) if number not in used), None)

    def _release(self, owner: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(_leases).where(_leases.c.owner == owner))

    def _list(self) -> tuple[Lease, ...]:
        with self._engine.connect() as connection:
            return tuple(Lease(*row) for row in connection.execute(select(_leases).order_by(_leases.c.slot)))


def open_database(url: str, folder: Path = Path()) -> Engine:
    """Open, and for SQLite create, the database. Raises OSError, or SQLAlchemy's errors."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        file = folder / parsed.database
        make_private(file)  # SQLite's other files take its mode
        parsed = parsed.set(database=str(file))
    engine = create_engine(parsed, connect_args={"timeout": DATABASE_BUSY_TIMEOUT})
    event.listen(engine, "connect", _write_ahead)
    return engine


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Raise in one sentence what a database says in ten lines."""
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        cause = getattr(error, "orig", None) or error
        said = " ".join(str(getattr(cause, "strerror", None) or cause).split())
        raise TunnelError(
            f"the leases cannot be kept in {make_url(url).render_as_string(hide_password=True)}: {said}",
            hint="mend the database, or name another one in `leases`",
        ) from error


def _write_ahead(connection: DBAPIConnection, _: object) -> None:
    """Wait for the disk once a commit; a rollback journal waits three times. What was committed survives a power cut."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _retried(attempt: Callable[[], T]) -> T:
    """Do it again while others are in the way: they took the number we wanted, hold a lock, or made the tables first."""
    for _ in range(CLAIM_TRIES - 1):
        with suppress(IntegrityError, OperationalError, ProgrammingError):
            return attempt()
    return attempt()
