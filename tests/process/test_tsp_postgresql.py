"""Two TSP brokers on one real PostgreSQL: no lease is given twice, and none is lost when a broker dies over it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine, event, make_url, text
from tests.tsp_world.leases_machine import LeasesMachine

from tests.peers import debian, postgresql
from tunnelmgr_tsp.broker.leases import Leases, open_database
from tunnelmgr_tsp.broker.leasing import Lease, LeaseClaim, ListLeases, Release

pytestmark = pytest.mark.xdist_group("postgresql")

SLOTS, PREFIX_SLOTS, REQUESTS = 40, 20, 120
OWNERS = [f"user {number}" for number in range(30)]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    try:
        with postgresql.cluster() as url:
            yield url
    except debian.Unavailable as reason:
        pytest.skip(str(reason))


def broker(url: str, name: str) -> Leases:
    return Leases(url, name, SLOTS, PREFIX_SLOTS)


def stored(url: str) -> tuple[Lease, ...]:
    reader = broker(url, "reader")
    leases = reader.handle(ListLeases())
    reader.close()
    assert isinstance(leases, tuple)
    return leases


def assert_sound(leases: tuple[Lease, ...]) -> None:
    prefixes = [lease.prefix_slot for lease in leases if lease.prefix_slot is not None]
    assert len({lease.slot for lease in leases}) == len(leases)
    assert len(set(prefixes)) == len(prefixes)


@pytest.fixture
def empty_database(database: str) -> str:
    name = f"empty{uuid4().hex}"
    engine = create_engine(database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(database).set(database=name).render_as_string(hide_password=False)


def starting(url: str, name: str, before_tables_are_made: Callable[[], object]) -> Leases:
    """Start a broker that is held up when it has seen that there are no tables."""
    engine = open_database(url)

    def step(connection: object, cursor: object, statement: str, *_: object) -> None:
        if "CREATE TABLE" in statement:
            before_tables_are_made()

    event.listen(engine, "before_cursor_execute", step)
    return Leases("", name, SLOTS, PREFIX_SLOTS, engine)


def test_a_broker_that_starts_comes_up_when_another_makes_the_tables_first(empty_database: str) -> None:
    leases = starting(empty_database, "second", lambda: broker(empty_database, "first").close())
    assert leases.handle(ListLeases()) == ()
    leases.close()


def test_two_brokers_that_start_at_once_both_come_up(empty_database: str) -> None:
    both = Barrier(2, timeout=10.0)
    with ThreadPoolExecutor(2) as pool:
        for leases in pool.map(lambda name: starting(empty_database, name, both.wait), ("one", "other")):
            assert leases.handle(ListLeases()) == ()
            leases.close()


def test_two_brokers_at_once_never_give_the_same(database: str) -> None:
    def work(seed: int) -> dict[str, Lease | None]:
        random, leases, last = Random(seed), broker(database, f"broker{seed}"), dict[str, Lease | None]()
        mine = OWNERS[seed::2]
        for _ in range(REQUESTS):
            owner = random.choice(mine)
            if random.random() < 0.25:
                leases.handle(Release(owner))
                last[owner] = None
            else:
                given = leases.handle(LeaseClaim(owner, anonymous=False, wants_prefix=random.random() < 0.5))
                assert isinstance(given, Lease)
                before = last.get(owner)
                assert before is None or before.slot == given.slot
                last[owner] = given
        leases.close()
        return last

    with ThreadPoolExecutor(2) as pool:
        believed = {owner: lease for last in pool.map(work, (0, 1)) for owner, lease in last.items()}
    leases = stored(database)
    assert_sound(leases)
    kept = {lease.owner: (lease.slot, lease.prefix_slot) for lease in leases}
    assert kept == {owner: (lease.slot, lease.prefix_slot) for owner, lease in believed.items() if lease is not None}


def test_nothing_is_given_twice_or_lost_whenever_one_of_two_brokers_dies(database: str) -> None:
    class OnPostgreSQL(LeasesMachine):
        url = database

    run_state_machine_as_test(
        OnPostgreSQL,
        settings=settings(stateful_step_count=20, max_examples=max(settings().max_examples // 10, 10), deadline=None),
    )
