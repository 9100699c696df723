"""Which program minds the resolvers, and what it is told."""

import asyncio
import errno
import socket
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from tunnelmgr.host.linux.resolver_helper import find_helper, run_commands
from tunnelmgr.host.resolvers import ResolverHelper, handing_over, taking_back

SERVERS = (IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54"))


def program(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("runs", [True, False])
def test_systemd_resolved_counts_when_it_runs(tmp_path: Path, runs: bool) -> None:
    program(tmp_path, "resolvectl", "")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "resolved"))
        if runs:
            listener.listen()
        found = find_helper(str(tmp_path), tmp_path / "resolved")
    assert found is (ResolverHelper.RESOLVECTL if runs else None)


def test_resolvconf_counts_unless_it_is_resolvectl_by_another_name(tmp_path: Path) -> None:
    assert find_helper(str(tmp_path), tmp_path / "nobody") is None
    (tmp_path / "resolvconf").symlink_to(program(tmp_path, "resolvectl", ""))
    assert find_helper(str(tmp_path), tmp_path / "nobody") is None
    (tmp_path / "resolvconf").unlink()
    program(tmp_path, "resolvconf", "")
    assert find_helper(str(tmp_path), tmp_path / "nobody") is ResolverHelper.RESOLVCONF


@pytest.mark.parametrize(
    ("helper", "told"),
    [
        (
            ResolverHelper.RESOLVECTL,
            "dns tm-home 2001:db8::53 2001:db8::54\ndomain tm-home ~.\nrevert tm-home\n",
        ),
        (
            ResolverHelper.RESOLVCONF,
            "-a tun.tm-home -m 0 -x\nnameserver 2001:db8::53\nnameserver 2001:db8::54\n-d tun.tm-home -f\n",
        ),
    ],
)
def test_the_program_is_told_what_the_plan_says(tmp_path: Path, helper: ResolverHelper, told: str) -> None:
    """A stand-in that writes down what it is told; resolvconf itself is in tests/netns/host/test_resolvers.py."""
    program(tmp_path, helper.value, f'echo "$@" >> {tmp_path}/told\ncat >> {tmp_path}/told')
    commands = [*handing_over(helper, "tm-home", SERVERS), *taking_back(helper, "tm-home")]
    asyncio.run(run_commands(commands, f"{tmp_path}:/usr/bin:/bin"))
    assert (tmp_path / "told").read_text() == told


@pytest.mark.parametrize(
    ("complaint", "code", "words"),
    [
        ('Failed to resolve interface \\"tm-home\\": No such device', errno.ENODEV, "No such device"),
        ("Failed to connect to bus", errno.EIO, "resolvectl says: Failed to connect to bus"),
    ],
)
def test_what_a_program_complains_of_is_passed_on(tmp_path: Path, complaint: str, code: int, words: str) -> None:
    program(tmp_path, "resolvectl", f'echo "{complaint}" >&2\nexit 1')
    with pytest.raises(OSError, match=words) as raised:
        asyncio.run(run_commands(taking_back(ResolverHelper.RESOLVECTL, "tm-home"), f"{tmp_path}:/usr/bin:/bin"))
    assert raised.value.errno == code
