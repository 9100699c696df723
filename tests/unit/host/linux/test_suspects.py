"""Who could have changed what is ours: the kernel's word first, then those that run here and do such things."""

from pathlib import Path

import pytest

from tunnelmgr.host.items import Item, LinkUp, Mtu, Purpose, Table
from tunnelmgr.host.linux.suspects import suspects

TABLE = Table("tm-home", Purpose.INBOUND, "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine on which three programs run, one of them in another network namespace."""
    here = tmp_path / "proc/thread-self/ns/net"
    here.parent.mkdir(parents=True)
    here.touch()
    for number, name in enumerate(["firewalld", "NetworkManager", "bash", "dockerd"]):
        process = tmp_path / "proc" / str(100 + number)
        (process / "ns").mkdir(parents=True)
        (process / "comm").write_text(f"{name}\n")
        if name == "dockerd":
            (process / "ns/net").touch()
        else:
            (process / "ns/net").symlink_to(here)
    return tmp_path


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (TABLE, ("the kernel names nft, process 7", "firewalld")),
        (LinkUp("tm-home"), ("NetworkManager",)),
        (Mtu("tm-home", 1280), ("NetworkManager",)),
    ],
)
def test_only_what_runs_here_and_changes_such_things_is_suspected(root: Path, lost: Item, named: tuple[str, ...]) -> None:
    assert suspects([lost], "nft, process 7", root) == named


def test_the_service_that_flushes_at_each_reload_is_named_where_it_is_enabled(root: Path) -> None:
    unit = root / "etc/systemd/system/sysinit.target.wants/nftables.service"
    unit.parent.mkdir(parents=True)
    unit.symlink_to("/lib/systemd/system/nftables.service")
    assert suspects([TABLE], root=root) == ("nftables.service, which begins with `flush ruleset`", "firewalld")
