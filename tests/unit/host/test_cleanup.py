"""What `tunnelmgr cleanup` takes back."""

import asyncio
import errno
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.cleanup import Leftover, cleanup, leftovers
from tunnelmgr.host.desired import Desired
from tunnelmgr.host.fake import FakeHost
from tunnelmgr.host.items import Rule, Table
from tunnelmgr.host.journal import Journal


def started(host: FakeHost, runtime_dir: Path, profile: str, number: int) -> Journal:
    journal = Journal.take(runtime_dir / f"{profile}.journal")
    host.open_tun(f"tm-{profile}")
    desired = Desired(f"tm-{profile}", sources=(IPv6Network(f"2001:db8::{number}"),))
    asyncio.run(Configurator(host, journal).apply(desired))
    return journal


def killed(host: FakeHost, profile: str, journal: Journal) -> None:
    host.tuns[f"tm-{profile}"].close()
    journal.close()


def test_the_dead_are_cleaned_up_and_the_living_left_alone(tmp_path: Path) -> None:
    host = FakeHost()
    killed(host, "home", started(host, tmp_path, "home", 1))
    work = started(host, tmp_path, "work", 2)
    left = asyncio.run(cleanup(host, tmp_path))
    assert [leftover.profile for leftover in left] == ["home"]
    assert left[0].lines[-1] == "nft delete table ip6 tunnelmgr_home"
    assert [item.device for item in host.items.values() if isinstance(item, Table)] == ["tm-work"]
    assert [str(item.source) for item in host.items.values() if isinstance(item, Rule)] == ["2001:db8::2/128"] * 2
    assert not (tmp_path / "home.journal").exists()
    work.close()


def test_cleaning_twice_finds_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    killed(host, "home", started(host, tmp_path, "home", 1))
    asyncio.run(cleanup(host, tmp_path))
    assert asyncio.run(cleanup(host, tmp_path)) == []


def test_what_is_gone_already_is_fine(tmp_path: Path) -> None:
    host = FakeHost()
    killed(host, "home", started(host, tmp_path, "home", 1))
    host.items.clear()
    assert [leftover.profile for leftover in asyncio.run(cleanup(host, tmp_path))] == ["home"]


def test_an_empty_journal_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / "home.journal").touch()
    assert asyncio.run(cleanup(FakeHost(), tmp_path)) == [Leftover("home", ())]
    assert list(tmp_path.iterdir()) == []


def test_a_journal_of_another_namespace_stays(tmp_path: Path) -> None:
    (tmp_path / "home.journal").write_text(f'{{"pid": 1, "place": "{place_elsewhere()}"}}\n')
    assert asyncio.run(cleanup(FakeHost(), tmp_path)) == []
    assert (tmp_path / "home.journal").exists()


def place_elsewhere() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/1"


def test_no_runtime_directory_means_nothing_to_do(tmp_path: Path) -> None:
    assert asyncio.run(cleanup(FakeHost(), tmp_path / "nowhere")) == []


def test_one_that_cannot_be_taken_back_does_not_keep_the_others(tmp_path: Path) -> None:
    host = FakeHost()
    killed(host, "home", started(host, tmp_path, "home", 1))
    killed(host, "work", started(host, tmp_path, "work", 2))
    host.failures["nft delete table ip6 tunnelmgr_home"] = errno.EPERM
    with pytest.raises(TunnelError, match="tunnelmgr_home: Operation not permitted"):
        asyncio.run(cleanup(host, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["home.journal"]


def test_looking_changes_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    killed(host, "home", started(host, tmp_path, "home", 1))
    before = dict(host.items)
    assert leftovers(tmp_path) == leftovers(tmp_path)
    assert host.items == before
    assert leftovers(tmp_path) == asyncio.run(cleanup(host, tmp_path))


def test_a_journal_that_cannot_be_read_keeps_no_other_from_being_cleaned_up(tmp_path: Path) -> None:
    host = FakeHost()
    (tmp_path / "garden.journal").write_text("what?\n")
    killed(host, "home", started(host, tmp_path, "home", 1))
    with pytest.raises(TunnelError, match=r"garden\.journal: not a journal"):
        leftovers(tmp_path)
    with pytest.raises(TunnelError, match=r"garden\.journal: not a journal"):
        asyncio.run(cleanup(host, tmp_path))
    assert not (tmp_path / "home.journal").exists()
