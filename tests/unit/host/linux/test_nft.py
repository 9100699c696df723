"""What nft's complaints mean."""

import errno

import pytest

from tunnelmgr.host.linux.nft import failure_of


@pytest.mark.parametrize(
    ("complaint", "code"),
    [
        ("Error: No such file or directory\nlist table ip6 tunnelmgr_home\n                ^^^^^^^^^^^^^^\n", errno.ENOENT),
        ("/dev/stdin:1:1-28: Error: Could not process rule: Operation not permitted\nadd table\n^^^\n", errno.EPERM),
        ("netlink: Error: cache initialization failed: Operation not permitted\n", errno.EPERM),
    ],
)
def test_the_system_call_behind_a_complaint_is_recognised(complaint: str, code: int) -> None:
    assert failure_of(complaint).errno == code


def test_other_complaints_are_quoted() -> None:
    failure = failure_of("/dev/stdin:1:1-3: Error: syntax error, unexpected string\nfoo\n^^^\n")
    assert failure.strerror == "nft says: /dev/stdin:1:1-3: Error: syntax error, unexpected string"
