"""What a user is told when no tunnel device can be made."""

import errno
import os
from pathlib import Path

import pytest

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.host.linux.tun import explain, open_tun


def failure(code: int, device: str = "tm-home") -> TunnelError:
    return explain(device, "/dev/net/tun", OSError(code, os.strerror(code)))


def test_a_missing_tun_module_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(TunnelError, match=r"tun is missing: no tunnel device can be made; modprobe tun; in a container"):
        open_tun("tm-home", str(tmp_path / "tun"))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
def test_no_privilege_ends_with_77(code: int) -> None:
    assert failure(code).exit_code is ExitCode.NO_PERMISSION
    assert "run as root" in failure(code).hint


def test_a_taken_name_is_told_from_other_trouble() -> None:
    assert "an interface of this name exists already" in failure(errno.EINVAL, "lo").message
    assert failure(errno.EINVAL).message == "tm-home: cannot make a tunnel device (/dev/net/tun: Invalid argument)"
