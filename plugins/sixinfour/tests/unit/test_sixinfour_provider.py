"""Every answer of a provider, sorted; and the settings that lead to it."""

from typing import Any

import pytest
from pydantic import ValidationError

from tunnelmgr.api.effects import Response
from tunnelmgr_sixinfour.provider.answers import AnswerKind, read_answer
from tunnelmgr_sixinfour.provider.settings import UpdateSettings

WRITTEN: dict[str, Any] = {"provider": "he", "tunnel": 123456, "username": "me", "key": "secret"}


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"good 203.0.113.66", AnswerKind.ACCEPTED),
        (200, b"good 203.0.113.66\n", AnswerKind.ACCEPTED),
        (200, b"nochg 203.0.113.66", AnswerKind.ACCEPTED),
        (200, b"nochg", AnswerKind.ACCEPTED),
        (200, b"-ERROR: This tunnel is already associated with this IP address.", AnswerKind.ACCEPTED),
        (200, b"good\t203.0.113.66", AnswerKind.ACCEPTED),
        (200, b"good|203.0.113.66", AnswerKind.ACCEPTED),
        (200, b"\xef\xbb\xbfgood 203.0.113.66", AnswerKind.ACCEPTED),
        (200, b"Good   203.0.113.66\r\n", AnswerKind.ACCEPTED),
        (200, b"+OK: Tunnel endpoint updated to: 203.0.113.66", AnswerKind.ACCEPTED),
        (200, b"good 127.0.0.1", AnswerKind.REFUSED),
        (200, b"good 192.168.1.5", AnswerKind.REFUSED),
        (200, b"nochg\t0.0.0.0", AnswerKind.REFUSED),
        (200, b"good 255.255.255.255", AnswerKind.REFUSED),
        (200, b"+OK: Tunnel endpoint updated to: 10.0.0.1", AnswerKind.REFUSED),
        (200, b"-ERROR: That IP address is already associated with another tunnel.", AnswerKind.REFUSED),
        (200, b"-ERROR: Another tunnel is already associated with this IP address.", AnswerKind.REFUSED),
        (200, b"-ERROR: IP is already in use.", AnswerKind.REFUSED),
        (200, b"<p>This tunnel is already associated with this IP address.", AnswerKind.RETRY),
        (200, b"+OKAY", AnswerKind.RETRY),
        (403, b"badauth", AnswerKind.REFUSED),
        (403, b"badauth\n", AnswerKind.REFUSED),
        (403, b"\xef\xbb\xbfabuse", AnswerKind.ABUSE),
        (404, b"nohost", AnswerKind.REFUSED),
        (403, b"good 203.0.113.66", AnswerKind.RETRY),
        (403, b"<html>Forbidden</html>", AnswerKind.RETRY),
        (503, b"badauth", AnswerKind.RETRY),
        (200, b"badauth", AnswerKind.REFUSED),
        (200, b"nohost", AnswerKind.REFUSED),
        (200, b"notfqdn", AnswerKind.REFUSED),
        (200, b"!yours", AnswerKind.REFUSED),
        (401, b"<html>Authorization required</html>", AnswerKind.REFUSED),
        (401, b"good 203.0.113.66", AnswerKind.REFUSED),
        (200, b"abuse", AnswerKind.ABUSE),
        (200, b"911", AnswerKind.RETRY),
        (200, b"dnserr", AnswerKind.RETRY),
        (200, b"-ERROR: IP is not ICMP pingable.", AnswerKind.RETRY),
        (200, b"", AnswerKind.RETRY),
        (200, b"goodness", AnswerKind.RETRY),
        (200, b"\xff\xfe\x00", AnswerKind.RETRY),
        (302, b"good 203.0.113.66", AnswerKind.RETRY),
        (500, b"good", AnswerKind.RETRY),
        (503, b"", AnswerKind.RETRY),
    ],
)
@pytest.mark.requirement("S-UP-004", "S-UP-009")
def test_every_answer_is_sorted(status: int, body: bytes, verdict: AnswerKind) -> None:
    assert read_answer(Response(status, body)).verdict is verdict


def test_what_is_shown_is_one_short_printable_line() -> None:
    answer = read_answer(Response(200, b"\x1b[31mred\n" + b"x" * 1000))
    assert answer.text == "\\x1b[31mred"
    assert len(read_answer(Response(200, b"x" * 1000)).text) == 120


def test_the_address_the_provider_tells_is_read_where_it_is_one() -> None:
    assert str(read_answer(Response(200, b"good 203.0.113.66")).address) == "203.0.113.66"
    assert str(read_answer(Response(200, b"+OK: Tunnel endpoint updated to: 203.0.113.66")).address) == "203.0.113.66"
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
