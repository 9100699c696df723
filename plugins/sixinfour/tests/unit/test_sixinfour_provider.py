"""Every answer of a provider, sorted; and the settings that lead to it."""

from typing import Any

import pytest
from pydantic import ValidationError

from tunnelmgr.api.effects import Response
from tunnelmgr_sixinfour.provider.provider import Verdict, read_answer
from tunnelmgr_sixinfour.provider.settings import UpdateSettings

WRITTEN: dict[str, Any] = {"provider": "he", "tunnel": 123456, "username": "me", "key": "secret"}


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"good 203.0.113.66", Verdict.ACCEPTED),
        (200, b"good 203.0.113.66\n", Verdict.ACCEPTED),
        (200, b"nochg 203.0.113.66", Verdict.ACCEPTED),
        (200, b"nochg", Verdict.ACCEPTED),
        (200, b"-ERROR: This tunnel is already associated with this IP address.", Verdict.ACCEPTED),
        (200, b"badauth", Verdict.REFUSED),
        (200, b"nohost", Verdict.REFUSED),
        (200, b"notfqdn", Verdict.REFUSED),
        (200, b"!yours", Verdict.REFUSED),
        (401, b"<html>Authorization required</html>", Verdict.REFUSED),
        (401, b"good 203.0.113.66", Verdict.REFUSED),
        (200, b"abuse", Verdict.ABUSE),
        (200, b"911", Verdict.RETRY),
        (200, b"dnserr", Verdict.RETRY),
        (200, b"-ERROR: IP is not ICMP pingable.", Verdict.RETRY),
        (200, b"", Verdict.RETRY),
        (200, b"goodness", Verdict.RETRY),
        (200, b"\xff\xfe\x00", Verdict.RETRY),
        (302, b"good 203.0.113.66", Verdict.RETRY),
        (500, b"good", Verdict.RETRY),
        (503, b"", Verdict.RETRY),
    ],
)
@pytest.mark.requirement("S-UP-004", "S-UP-009")
def test_every_answer_is_sorted(status: int, body: bytes, verdict: Verdict) -> None:
    assert read_answer(Response(status, body)).verdict is verdict


def test_what_is_shown_is_one_short_printable_line() -> None:
    answer = read_answer(Response(200, b"\x1b[31mred\n" + b"x" * 1000))
    assert answer.text == "?[31mred"
    assert len(read_answer(Response(200, b"x" * 1000)).text) == 120


def test_the_address_the_provider_tells_is_read_where_it_is_one() -> None:
    assert str(read_answer(Response(200, b"good 203.0.113.66")).address) == "203.0.113.66"
    assert read_answer(Response(200, b"good whatever")).address is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://ipv4.tunnelbroker.net/nic/update"},
        {"url": "https://example.net/update?user=me"},
        {"tunnel": "a&b"},
        {"tunnel": 0},
        {"provider": "she"},
        {"username": ""},
    ],
)
@pytest.mark.requirement("S-UP-001")
def test_what_would_leak_or_fail_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UpdateSettings.model_validate(WRITTEN | wrong)


def test_the_key_is_not_shown() -> None:
    settings = UpdateSettings.model_validate(WRITTEN)
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()
