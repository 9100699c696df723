"""`tunnelmgr check`."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.unit.core.profiles.test_profile_mistakes import MISTAKES
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.cli.main import run


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "home.yaml"
    file.write_text("method: {type: teredo, server: 192.0.2.1}\n")
    return file


def test_a_valid_profile_is_told_as_it_is_understood(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(good)]) == ExitCode.DONE
    assert capsys.readouterr().out == f"{good}: valid: home, teredo client (server 192.0.2.1)\n"


def test_a_mistake_is_shown_where_it_is(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("method: {type: terodo, server: 192.0.2.1}\n")
    assert run(["check", str(good), str(bad)]) == ExitCode.INVALID
    out = capsys.readouterr().out
    assert f"{bad}:1:" in out
    assert "teredo" in out
    assert "^" in out


def test_a_file_that_is_not_there_ends_with_no_profile(tmp_path: Path) -> None:
    assert run(["check", str(tmp_path / "none.yaml")]) == ExitCode.NO_PROFILE


@pytest.mark.parametrize("wish", ["ebpf", "batched", "fast"])
def test_a_data_path_that_does_not_exist_is_refused_at_its_line_by_check_and_up_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: str
) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(f"method: {{type: teredo, server: 192.0.2.1}}\ndatapath: {wish}\n")
    assert run(["check", str(file)]) == ExitCode.INVALID
    checked = capsys.readouterr().out
    assert run(["up", "--dry-run", str(file)]) == ExitCode.INVALID
    assert capsys.readouterr().err == checked
    assert checked.startswith(f"{file}:2:11: error: 'datapath' expects 'auto', 'plain' or 'kernel', not {wish!r}\n")


@pytest.mark.parametrize("profile", [case[1] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_up_refuses_what_check_refuses_in_the_same_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(dedent(profile).replace("paper", "teredo"))
    refusal = run(["check", str(file)])
    checked = capsys.readouterr().out
    assert refusal is not ExitCode.DONE
    assert run(["up", "--dry-run", str(file)]) == refusal
    assert capsys.readouterr().err == checked


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (
            "method: {type: teredo, server: 192.0.2.1}\nnetwork: {mtu: 9000}",
            "2:11: error: 'mtu' is 9000, and the packets of teredo client have 1280 bytes at most",
        ),
        (
            "methods: [{type: teredo, server: a}, {type: 6to4, mtu: 1400}]\nnetwork:\n  mtu: 1401",
            "3:3: error: 'mtu' is 1401, and the packets of teredo client or 6to4 site have 1400 bytes at most",
        ),
        (
            "method: {type: teredo, server: 192.0.2.1}\nlan: {interfaces: [lan0]}",
            "2:7: error: 'lan' gets no prefix: teredo client cannot bring one; write `share: nat66` there",
        ),
        (
            "method: {type: 6in4, remote: 192.0.2.1, address: 2001:db8::2/64}\nlan: {interfaces: [lan0]}",
            "2:7: error: 'lan' gets no prefix: 6in4 peer cannot bring one",
        ),
        (
            "method: {type: teredo, server: a}\nlan: {share: nat66, interfaces: [lo]}",
            "2:34: error: 'interfaces': 'lo' has no",
        ),
        (
            "method: {type: teredo, server: a}\nlan: {share: nat66, interfaces: [tm-a]}",
            "2:34: error: 'interfaces': 'tm-a' has",
        ),
        ("method: {type: teredo, server: 'http://a/'}", "1:32: error: 'server': 'http://a/' is not a host"),
        ("method: {type: teredo, server: [a, 'b:1']}", "1:36: error: 'server': 'b:1' has a port"),
        ("method: {type: teredo, server: [a, b], secondary: 192.0.2.7}", "1:40: error: `secondary` belongs to one server"),
        ("method: {type: tsp, broker: a, name_servers: [b c]}", "1:47: error: 'name_servers': 'b c' is neither a host name"),
        ("method: {type: tsp, broker: a, user: b}", "1:32: error: `user` and `password` go together"),
        (
            "method: {type: tsp, role: broker, address: 192.0.2.1, prefix: '2001:db8::/40', leases: /var/leases.db}",
            "1:88: error: 'leases': expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME",
        ),
        (
            "method: {type: 6rd, role: border-relay, local: 192.0.2.1, prefix: '2001:db8::/40', customers: 203.0.113.7/24}",
            "1:95: error: 'customers' expects an IPv4 prefix such as 192.0.2.0/24, not '203.0.113.7/24'",
        ),
    ],
)
def test_what_can_never_work_is_refused_at_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str, said: str
) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(profile + "\n")
    assert run(["check", str(file)]) == ExitCode.INVALID
    assert capsys.readouterr().out.startswith(f"{file}:{said}")


@pytest.mark.parametrize(
    "profile",
    [
        "methods: [{type: 6to4}, {type: 6in4, remote: 192.0.2.1, address: 2001:db8::2/64}]\nnetwork: {mtu: 1480}",
        "methods: [{type: teredo, server: a}, {type: tsp, broker: a}]\nlan: {interfaces: [lan0]}",
        "method: {type: teredo, server: a}\nlan: {share: nat66, interfaces: [lan0]}",
        "method: {type: 6to4}\nlan: {interfaces: [lan0]}",
    ],
)
def test_what_one_method_can_is_no_mistake(tmp_path: Path, profile: str) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(profile + "\n")
    assert run(["check", str(file)]) == ExitCode.DONE
