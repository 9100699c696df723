"""What a killed process leaves can be read by the next."""

import errno
import os
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.api.plain import from_plain
from tunnelmgr.host.constants import JOURNAL_MAX
from tunnelmgr.host.items import (
    Address,
    Advertisement,
    Item,
    KernelTunnel,
    LinkUp,
    Mtu,
    NeighbourProxy,
    Purpose,
    Resolvers,
    Route,
    Rule,
    Sysctl,
    Table,
    Unreachable,
)
from tunnelmgr.host.journal import Journal, JournalInUseError, JournalUnwritableError
from tunnelmgr.host.plan import Step
from tunnelmgr.host.resolvers import ResolverHelper

HERE = "boot-1/4026531840"
ITEMS: list[Item] = [
    Table.of("tm-home", Purpose.INBOUND, ["chain input { }", "rule input drop"]),
    Sysctl("net/ipv6/conf/all/forwarding", "1"),
    Table.of("tm-home", Purpose.PATHS, ["rule prerouting counter drop"]),
    KernelTunnel("tm-home", IPv4Address("203.0.113.1"), IPv4Address("192.0.2.80"), 64, 0),
    Mtu("tm-home", 1280),
    LinkUp("tm-home"),
    Address("tm-home", IPv6Interface("2001:db8::2/64")),
    Route("tm-home", IPv6Network("::/0"), 1029, 254),
    Rule(IPv6Network("2001:db8::2/128"), 254, 7200, 0),
    Rule(IPv6Network("2001:db8::2/128"), 1953330794, 7201),
    NeighbourProxy("tm-home", "eth0", IPv6Address("2001:db8::3")),
    Table("tm-home", Purpose.LAN, ""),
    Unreachable(IPv6Network("2001:db8:5::/48")),
    Unreachable(IPv6Network("::/0"), 1, 1953330794),
    Resolvers("tm-home", ResolverHelper.RESOLVCONF, (IPv6Address("2001:db8::53"), IPv4Address("192.0.2.53"))),
    Advertisement("tm-home", "/run/tunnelmgr/home.radvd", "interface br-lan {\n};\n"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "home.journal"


def left_by_a_dead_process(path: Path, *steps: Step) -> None:
    journal = Journal.take(path, HERE)
    for step in steps:
        journal.record(step)
    journal.close()


def read(path: Path, place: str = HERE) -> list[Step]:
    journal = Journal.take(path, place)
    steps = journal.net()
    journal.close()
    return steps


def test_everything_comes_back_as_it_was_written(path: Path) -> None:
    steps = [Step(None, item) for item in ITEMS]
    left_by_a_dead_process(path, *steps)
    assert read(path) == steps
    assert [step.lines() for step in read(path)] == [step.lines() for step in steps]


def test_a_living_owner_is_named(path: Path) -> None:
    journal = Journal.take(path, HERE)
    journal.record(Step(None, ITEMS[0]))
    with pytest.raises(JournalInUseError, match=rf"home is running already \(process {os.getpid()}\); tunnelmgr down home"):
        Journal.take(path, HERE)
    journal.close()


def test_a_line_torn_by_the_end_of_its_process_is_cut_off(path: Path) -> None:
    left_by_a_dead_process(path, Step(None, ITEMS[0]), Step(None, ITEMS[1]))
    path.write_bytes(path.read_bytes()[:-9])
    journal = Journal.take(path, HERE)
    journal.record(Step(None, ITEMS[2]))
    journal.close()
    assert read(path) == [Step(None, ITEMS[0]), Step(None, ITEMS[2])]


@pytest.mark.parametrize("content", [b"", b'{"pid": 1, "pl'])
def test_a_journal_hardly_begun_is_empty(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert read(path) == []


@pytest.mark.parametrize("line", ["what?", '[null, {"flower": {"device": "tm-home"}}]'])
def test_a_journal_nobody_understands_is_named(path: Path, line: str) -> None:
    left_by_a_dead_process(path, Step(None, ITEMS[0]))
    with path.open("a") as file:
        file.write(f"{line}\n")
    for _ in range(2):  # and it is not kept locked
        with pytest.raises(TunnelError, match=r"home\.journal: not a journal this version understands"):
            Journal.take(path, HERE)


def test_a_journal_from_before_a_reboot_is_void(path: Path) -> None:
    left_by_a_dead_process(path, Step(None, ITEMS[0]))
    journal = Journal.take(path, "boot-2/4026531840")
    assert (journal.net(), journal.elsewhere) == ([], False)
    journal.close()
    assert not path.exists()


def test_a_journal_of_another_namespace_is_kept_until_something_is_written(path: Path) -> None:
    left_by_a_dead_process(path, Step(None, ITEMS[0]))
    elsewhere = "boot-1/4026539999"
    journal = Journal.take(path, elsewhere)
    assert (journal.net(), journal.elsewhere) == ([], True)
    journal.close()
    assert read(path) == [Step(None, ITEMS[0])]

    journal = Journal.take(path, elsewhere)
    journal.record(Step(None, ITEMS[1]))
    journal.close()
    assert read(path) == []
    assert read(path, elsewhere) == [Step(None, ITEMS[1])]


def test_an_empty_journal_is_removed_and_one_with_changes_is_kept(path: Path) -> None:
    journal = Journal.take(path, HERE)
    journal.record(Step(None, ITEMS[0]))
    journal.close()
    assert path.exists()
    journal = Journal.take(path, HERE)
    journal.forget()
    journal.close()
    journal.close()
    assert not path.exists()


def test_others_may_not_open_a_journal_and_so_not_lock_it(path: Path) -> None:
    journal = Journal.take(path, HERE)
    assert path.stat().st_mode & 0o777 == 0o600
    journal.close()


def test_a_journal_that_grew_long_is_written_anew(path: Path) -> None:
    journal = Journal.take(path, HERE)
    journal.record(Step(None, ITEMS[0]))
    coming = Step(None, ITEMS[1])
    for _ in range(JOURNAL_MAX // 50):
        journal.record(coming)
        journal.record(coming.inverse())
        assert path.stat().st_size <= JOURNAL_MAX + 1000
    assert journal.net() == [Step(None, ITEMS[0])]
    with pytest.raises(JournalInUseError):
        Journal.take(path, HERE)
    journal.close()
    assert read(path) == [Step(None, ITEMS[0])]
    assert list(path.parent.iterdir()) == [path]


def test_a_journal_of_thousands_of_steps_reads_each_line_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Counter[str]()

    def counted(kind: object, item: object) -> object:
        read["items"] += 1
        return from_plain(kind, item)

    monkeypatch.setattr("tunnelmgr.host.journal.from_plain", counted)
    journal = Journal.take(path, HERE)
    for number in range(3000):
        journal.record(Step(None, Route("tm-home", IPv6Network((number << 80, 48)), 1029, 254)))
        if not number % 10:
            assert len(journal.net()) == number + 1
    assert read["items"] <= 2 * 3000, "before and after of each line"
    journal.close()


@pytest.mark.parametrize(("place", "taken"), [(HERE, True), ("boot-1/4026539999", False)])
def test_a_change_is_handed_on_within_one_namespace(path: Path, place: str, taken: bool) -> None:
    journal, other = Journal.take(path, HERE), Journal.take(path.with_name("work.journal"), place)
    other.record(Step(None, ITEMS[0]))
    change = Step(Sysctl("net/ipv6/conf/all/forwarding", "0"), ITEMS[1])
    assert journal.hand_on(change) is taken
    assert other.net() == [Step(None, ITEMS[0])] + [change] * taken
    journal.close()
    other.close()


def test_nothing_is_handed_on_to_one_who_changed_nothing(path: Path) -> None:
    journal, other = Journal.take(path, HERE), Journal.take(path.with_name("work.journal"), HERE)
    assert not journal.hand_on(Step(None, ITEMS[1]))
    journal.close()
    other.close()


def test_a_journal_cut_anywhere_is_read_up_to_there(path: Path) -> None:
    steps = [Step(None, item) for item in ITEMS]
    left_by_a_dead_process(path, *steps)
    whole = path.read_bytes()
    ends = [number + 1 for number, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert read(path) == steps[: max(0, sum(end <= length for end in ends) - 1)]


@pytest.mark.parametrize("room", [0, 1, 40, 60])
def test_without_room_a_record_is_refused_and_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    journal = Journal.take(path, HERE)
    journal.record(Step(None, ITEMS[0]))
    before = path.read_bytes()
    left = room

    def short_write(fd: int, data: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(fd, data[:left])
        left -= written
        return written

    real = os.write
    monkeypatch.setattr(os, "write", short_write)
    with pytest.raises(JournalUnwritableError, match=f"cannot keep the journal in {path.parent}: No space left on device"):
        journal.record(Step(None, ITEMS[1]))
    assert path.read_bytes() == before
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    journal.record(Step(None, ITEMS[1]))
    assert journal.net() == [Step(None, ITEMS[0]), Step(None, ITEMS[1])]
    journal.close()


def test_a_long_journal_stays_where_there_is_no_room_for_a_short_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.take(path, HERE)
    step = Step(None, ITEMS[0])
    journal.record(Step(None, ITEMS[1]))
    while path.stat().st_size <= JOURNAL_MAX:
        journal.record(step)
        journal.record(step.inverse())
    real, paths = os.write, (os.fspath(path), f"{path}.new")

    def full(fd: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{fd}") == paths[1]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    journal.record(step)
    assert journal.net() == [Step(None, ITEMS[1]), step]
    assert not Path(paths[1]).exists()
    journal.close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(JournalUnwritableError, match=f"cannot keep the journal in {tmp_path}/run: "):
        Journal.take(tmp_path / "run" / "home.journal", HERE)
