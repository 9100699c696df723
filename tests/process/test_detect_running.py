"""Detection with real sockets on loopback, against a STUN server of twenty lines."""

import asyncio
import json
import os
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import cast

import pytest
from aioice.stun import Class, Message, Method, parse_message

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.names import ServerName
from tunnelmgr.api.network import DefaultRoute, LocalAddress, Network
from tunnelmgr.api.report import NatKind
from tunnelmgr.cli.main import run
from tunnelmgr.detect.plan import Plan
from tunnelmgr.detect.running import detect

LOOPBACK = IPv4Address("127.0.0.1")
NETWORK = Network(
    addresses=(LocalAddress("lo", IPv4Interface("127.0.0.1/8")),),
    default_route=DefaultRoute("lo", None),
    source=LOOPBACK,
    native_ipv6=False,
)


class Stun(asyncio.DatagramProtocol):
    """Answers every binding request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = parse_message(data)
        answer = Message(Method.BINDING, Class.RESPONSE, request.transaction_id, {"XOR-MAPPED-ADDRESS": addr})
        self.transport.sendto(bytes(answer), addr)


def test_a_server_that_sees_our_own_address_proves_that_nobody_translates() -> None:
    async def story() -> None:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Stun, ("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        found = await detect(Plan(stun=(ServerName("localhost", port),)), NETWORK)
        transport.close()
        assert (found.nat.kind, found.udp) == (NatKind.NONE, True)
        assert found.nat.mapped is not None
        assert found.nat.mapped.startswith("127.0.0.1:")

    asyncio.run(story())


def test_nobody_to_ask_takes_no_time() -> None:
    found = asyncio.run(detect(Plan(), NETWORK))
    assert (found.udp, found.nat.kind) == (None, None)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    file = tmp_path / "home.yaml"
    # Nobody listens there, and the kernel says so at once.
    file.write_text("method: {type: teredo, server: 127.0.0.1, private_deployment: [127.0.0.0/8]}\n")
    return file


def test_the_command_prints_a_screen_and_writes_the_profile(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = home.with_name("written.yaml")
    assert run(["detect", str(home), "--explain", "--write", str(written)]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert out.startswith("home: ")
    assert "methods, in the order `up` tries them" in out
    assert written.read_text().endswith(home.read_text())
    assert run(["check", str(written)]) == ExitCode.DONE


def test_the_command_prints_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", str(home), "--json"]) == ExitCode.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["data"]["profile"]) == ("tunnelmgr.detect", "home")


def test_a_file_that_is_there_is_not_written_over(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = home.read_text()
    assert run(["detect", str(home), "--write", str(home)]) == ExitCode.FAILED
    assert "cannot be written: File exists; name a file that is not there yet" in capsys.readouterr().err
    assert home.read_text() == before


def test_a_profile_with_a_secret_file_is_written_beside_it_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text("a secret\n")
    (tmp_path / "key").chmod(0o600)
    home = tmp_path / "home.yaml"
    home.write_text(
        "method: {type: teredo, server: 127.0.0.1, private_deployment: [127.0.0.0/8],"
        " secure: {client_id: me, secret: {file: key}}}\n"
    )
    home.chmod(0o600)
    beside, elsewhere = tmp_path / "written.yaml", tmp_path / "folder/written.yaml"
    elsewhere.parent.mkdir()
    assert run(["detect", str(home), "--write", str(beside)]) == ExitCode.DONE
    assert beside.stat().st_mode & 0o777 == 0o600
    assert run(["detect", str(home), "--write", str(elsewhere)]) == ExitCode.INVALID
    assert f"write it into {tmp_path}" in capsys.readouterr().err
    assert not elsewhere.exists()


def test_a_lifetime_takes_a_stun_server(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", str(home), "--lifetime", "10"]) == ExitCode.USAGE
    assert "names a STUN server" in capsys.readouterr().err


def test_without_a_profile_only_this_host_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNNELMGR_CONFIG_PATH", os.fspath(tmp_path))
    assert run(["detect"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("no profile is named")
    assert run(["detect", "--write", str(tmp_path / "new.yaml")]) == ExitCode.USAGE


def test_a_profile_that_does_not_exist_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", "/nowhere/home.yaml"]) == ExitCode.NO_PROFILE
