"""Two TSP brokers on one real PostgreSQL: no lease is given twice, and none is lost when a broker dies over it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from sqlalchemy import event

from tests.peers import debian, postgresql
from tunnelmgr_tsp.leases import Leases, open_database
from tunnelmgr_tsp.leasing import Claim, Lease, ListLeases, Release

pytestmark = pytest.mark.xdist_group("postgresql")

SLOTS, PREFIX_SLOTS, REQUESTS = 40, 20, 120
OWNERS = [f"user {number}" for number in range(30)]


class Killed(BaseException):
    """The broker's process ended here."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with postgresql.cluster(tmp_path_factory.mktemp("postgresql") / "cluster") as url:
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
                given = leases.handle(Claim(owner, anonymous=False, wants_prefix=random.random() < 0.5))
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


@pytest.mark.parametrize("statement", range(5))
def test_a_broker_that_dies_over_a_lease_leaves_all_of_it_or_nothing(database: str, statement: int) -> None:
    engine = open_database(database)
    dying = Leases("", "dying", SLOTS, PREFIX_SLOTS, engine)
    done = [0]

    def step(*_: object) -> None:
        if done[0] == statement:
            raise Killed
        done[0] += 1

    event.listen(engine, "before_cursor_execute", step)
    event.listen(engine, "commit", step)
    owner = f"user dead {statement}"
    with pytest.raises(Killed):
        dying.handle(Claim(owner, anonymous=False, wants_prefix=True))
    engine.dispose()
    assert owner not in {lease.owner for lease in stored(database)}
    other = broker(database, "other")
    given = other.handle(Claim(owner, anonymous=False, wants_prefix=True))
    other.close()
    assert given in stored(database)
    assert_sound(stored(database))
