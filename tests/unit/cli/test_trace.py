"""`tunnelmgr trace`: how packets are printed."""

import pytest

from tests.unit.cli.test_schema import assert_follows
from tunnelmgr.api.dissection import Field
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli import render
from tunnelmgr.cli.commands.trace import trace
from tunnelmgr.cli.main import run
from tunnelmgr.cli.packets import Decoded, Lines


def test_lines_name_the_side_where_both_are_watched() -> None:
    packet = Decoded("home", 3, 10.5, "inner", "a", "b", 40, "ipv6", "udp", "UDP 1 > 2, 3 bytes", ())
    assert " ".join(Lines(fields=False, interfaces=True)(packet).split()) == "3 0.0000 inner a > b UDP 1 > 2, 3 bytes"
    assert "inner" not in Lines(fields=False)(packet)


def test_json_follows_its_schema() -> None:
    field = Field("source", "a", 8, 16)
    packet = Decoded("home", 3, 10.5, "inner", None, None, 40, "ipv6", "udp", "UDP 1 > 2, 3 bytes", (field,))
    assert_follows("trace", render.envelope("trace", packet))


def test_a_capture_is_not_written_in_words_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", "home", "-o", "x.pcapng", "--json"]) == ExitCode.USAGE
    assert "-o writes pcapng" in capsys.readouterr().err


def test_help_tells_what_to_do_with_a_capture(capsys: pytest.CaptureFixture[str]) -> None:
    run(["trace", "--help"])
    assert trace.help
    assert "wireshark -k -i -" in " ".join(capsys.readouterr().out.split())
