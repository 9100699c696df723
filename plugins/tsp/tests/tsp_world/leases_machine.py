"""Leases while brokers' processes die between any two statements: nothing is given twice, nothing given is lost."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, event

from tunnelmgr_tsp.broker.leases import Leases, open_database
from tunnelmgr_tsp.broker.leasing import Lease, LeaseClaim, ListLeases, Release

SLOTS, PREFIX_SLOTS = 6, 3
OWNERS = st.sampled_from([f"user {name}" for name in "abcdefgh"])


class Killed(BaseException):
    """The process ended here."""


class Broker:
    """One broker's leases, on a database that others use too. `die_before` counts statements and commits down to its end."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self.die_before: int | None = None
        self._start()

    def _start(self) -> None:
        engine = open_database(self._url)
        if engine.name == "sqlite":  # against a crash of the machine, which would only make the test slow
            event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "commit", self._commit)
        self.leases = Leases("", self._name, SLOTS, PREFIX_SLOTS, engine)

    def ask(self, request: object) -> Any:
        """Ask; None and a new process when it died over it."""
        try:
            return self.leases.handle(request)
        except Killed:
            self.die_before = None
            self.leases.close()
            self._start()
            return Killed
        finally:
            self.die_before = None

    def _statement(self, *_: object) -> None:
        self._step()

    def _commit(self, _: Connection) -> None:
        self._step()

    def _step(self) -> None:
        if self.die_before is None:
            return
        if self.die_before == 0:
            raise Killed
        self.die_before -= 1


class LeasesMachine(RuleBasedStateMachine):
    """Two brokers on one database, against a dictionary."""

    url: ClassVar[str]
    """Of a database nobody else uses; what is in it is forgotten."""

    @initialize()
    def begin(self) -> None:
        self.brokers = [Broker(self.url, "one"), Broker(self.url, "two")]
        for lease in self._stored():
            self.brokers[0].leases.handle(Release(lease.owner))
        self.given: dict[str, Lease] = {}
        self.uncertain: set[str] = set()
        """Owners whose request died: it was done entirely, or not at all."""

    def teardown(self) -> None:
        if hasattr(self, "brokers"):
            for broker in self.brokers:
                broker.leases.close()

    @rule(which=st.integers(0, 1), steps=st.integers(0, 8))
    def let_it_die_soon(self, which: int, steps: int) -> None:
        self.brokers[which].die_before = steps

    @rule(which=st.integers(0, 1), owner=OWNERS, anonymous=st.booleans(), wants_prefix=st.booleans())
    def claim(self, which: int, owner: str, anonymous: bool, wants_prefix: bool) -> None:
        answer = self.brokers[which].ask(LeaseClaim(owner, anonymous, wants_prefix))
        if answer is Killed:
            self.uncertain.add(owner)
        elif answer is None:
            assert owner not in self.given
            assert len(self._stored()) == SLOTS
        else:
            assert answer.owner == owner
            if owner in self.given and owner not in self.uncertain:
                assert answer.slot == self.given[owner].slot
                assert self.given[owner].prefix_slot in (None, answer.prefix_slot)
            self.given[owner] = answer
            self.uncertain.discard(owner)

    @rule(which=st.integers(0, 1), owner=OWNERS)
    def release(self, which: int, owner: str) -> None:
        if self.brokers[which].ask(Release(owner)) is Killed:
            self.uncertain.add(owner)
        else:
            self.given.pop(owner, None)
            self.uncertain.discard(owner)

    @precondition(lambda self: hasattr(self, "brokers"))
    @invariant()
    def nothing_is_given_twice_and_nothing_is_lost(self) -> None:
        stored = self._stored()
        assert len({lease.slot for lease in stored}) == len(stored)
        prefixes = [lease.prefix_slot for lease in stored if lease.prefix_slot is not None]
        assert len(set(prefixes)) == len(prefixes)
        assert all(0 <= lease.slot < SLOTS for lease in stored)
        assert all(0 <= number < PREFIX_SLOTS for number in prefixes)
        kept = {lease.owner: (lease.slot, lease.prefix_slot) for lease in stored}
        for owner in self.given.keys() - self.uncertain:
            assert kept.get(owner) == (self.given[owner].slot, self.given[owner].prefix_slot)
        assert kept.keys() - self.uncertain <= self.given.keys()

    def _stored(self) -> tuple[Lease, ...]:
        armed = [(broker, broker.die_before) for broker in self.brokers]
        for broker in self.brokers:
            broker.die_before = None
        stored: tuple[Lease, ...] = self.brokers[0].leases.handle(ListLeases())  # type: ignore[assignment]
        for broker, steps in armed:
            broker.die_before = steps
        return stored
