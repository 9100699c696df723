"""HTTPS requests to a real server whose authority this test made."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.peers.https import make_certificates, requests
from tests.process.bench import bench
from tests.process.stage import GENEROUS, until
from tunnelmgr.api.effects import EffectResult, Failed, FailureCode, Fetch, Response
from tunnelmgr.core.driving.https import fetch
from tunnelmgr.lab.waiting import wait_for

KEY = "S3CRET"
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")


class Server:
    """A server of its own process on a port of loopback."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.folder = folder
        self.authority = make_certificates(folder, "localhost")
        words = [sys.executable, "-m", "tests.peers.https", str(folder), address, "0"]
        self.process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
        self.port = wait_for("the server", lambda: _text(folder / "port"))

    def answers(self, status: int, body: str) -> None:
        (self.folder / "answer").write_text(f"{status} {body}")

    def answers_exactly(self, data: bytes) -> None:
        (self.folder / "raw").write_bytes(data)

    def url(self, name: str = "localhost") -> str:
        return f"https://{name}:{self.port}/nic/update?hostname=1"


def _text(file: Path) -> str | None:
    return file.read_text() or None if file.exists() else None


@pytest.fixture(params=["127.0.0.1"])
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(tmp_path, request.param)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    yield made
    made.process.kill()
    made.process.wait()


@pytest.mark.requirement("S-UP-001")
def test_credentials_travel_in_the_header_alone(server: Server) -> None:
    server.answers(200, "good 192.0.2.1")
    assert fetch(Fetch(server.url(), username="me", password=KEY)) == Response(200, b"good 192.0.2.1")
    (asked,) = requests(server.folder)
    assert asked["path"] == "/nic/update?hostname=1"
    assert asked["authorization"] == "Basic bWU6UzNDUkVU"


def test_a_request_leaves_from_the_address_it_speaks_for(server: Server) -> None:
    server.answers(200, "good 192.0.2.1")
    fetch(Fetch(server.url(), source=IPv4Address("127.0.0.7")))
    fetch(Fetch(server.url()))
    assert [one["from"] for one in requests(server.folder)] == ["127.0.0.7", "127.0.0.1"]


@pytest.mark.requirement("S-UP-006")
def test_a_certificate_of_somebody_else_or_for_another_name_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(200, "good")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(Fetch(server.url("127.0.0.1")))
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(Fetch(server.url()))
    assert requests(server.folder) == []


@pytest.mark.parametrize("target", ["http://localhost:1/plain", "https://localhost:1/elsewhere"])
def test_a_redirection_is_an_answer_and_not_followed(server: Server, target: str) -> None:
    server.answers(302, target)
    assert fetch(Fetch(server.url(), username="me", password=KEY)).status == 302
    assert len(requests(server.folder)) == 1


@pytest.mark.parametrize("status", [401, 404, 500])
def test_an_error_of_the_server_is_an_answer(server: Server, status: int) -> None:
    server.answers(status, "no")
    assert fetch(Fetch(server.url())) == Response(status, b"no")


def test_a_long_answer_is_not_read_to_its_end(server: Server) -> None:
    server.answers(200, "x" * 10_000)
    assert len(fetch(Fetch(server.url(), response_max=100)).body) == 101


def test_plain_http_is_not_spoken() -> None:
    with pytest.raises(ValueError, match="only https"):
        fetch(Fetch("http://localhost/"))


@pytest.mark.requirement("S-UP-002")
@pytest.mark.parametrize("server", ["::"], indirect=True)
def test_a_server_of_both_families_is_asked_over_ipv4(server: Server) -> None:
    server.answers(200, "good")
    assert fetch(Fetch(server.url())).status == 200
    with pytest.raises(OSError, match="not supported"):
        fetch(Fetch(server.url("[::1]")))
    assert [asked["from"] for asked in requests(server.folder)] == ["::ffff:127.0.0.1"]


@pytest.mark.requirement("S-UP-002")
def test_no_proxy_stands_between(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers(200, "good")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert fetch(Fetch(server.url())).status == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"good 192.0.2.1\r\n\r\n", "BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\ngood", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\ngood", "IncompleteRead"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_an_answer_that_is_not_http_is_a_failure_like_any_other(
    server: Server, tmp_path: Path, body: bytes, kind: str
) -> None:
    server.answers_exactly(body)
    where = f"https://localhost:{server.port}/nic/update"
    expected = Failed(FailureCode.PROTOCOL, f"fetching {where}: the answer is not HTTP ({kind})")
    assert fetched(tmp_path, server.url()) == expected


def fetched(folder: Path, url: str) -> EffectResult:
    """Have a driver fetch it."""

    async def story() -> EffectResult:
        async with bench(folder) as b:
            return await b.answer(Fetch(url))

    return asyncio.run(story())


@pytest.mark.requirement("S-UP-006")
def test_whoever_answers_with_a_certificate_of_another_is_not_the_server(server: Server, tmp_path: Path) -> None:
    result = fetched(tmp_path, server.url("127.0.0.1"))
    assert isinstance(result, Failed)
    assert result.code is FailureCode.UNREACHABLE
    assert "somebody else answers: IP address mismatch" in result.text


def test_a_server_that_speaks_no_tls_or_takes_no_connection_is_there_all_the_same(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        url = f"https://localhost:{plain.getsockname()[1]}/"

        def greet() -> None:
            with plain.accept()[0] as caller:
                caller.sendall(b"220 mail.example ESMTP\r\n")
                caller.recv(4096)

        with ThreadPoolExecutor(1) as executor:
            executor.submit(greet)
            spoken = fetched(tmp_path, url)
    assert isinstance(spoken, Failed)
    assert spoken.code is FailureCode.PROTOCOL
    assert "the answer is not TLS" in spoken.text
    assert fetched(tmp_path, url) == Failed(FailureCode.REFUSED, f"fetching {url}: Connection refused")


@pytest.mark.parametrize("code", [socket.EAI_AGAIN, socket.EAI_NONAME])
def test_a_name_that_does_not_resolve_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def resolve(*_: object) -> None:
        raise socket.gaierror(code, "no such luck")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = "https://provider.example/"
    assert fetched(tmp_path, url) == Failed(FailureCode.UNREACHABLE, f"fetching {url}: no such luck")


def test_a_server_that_never_answers_does_not_keep_a_process_that_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.setblocking(False)
        wish = Fetch(f"https://localhost:{mute.getsockname()[1]}/", timeout=3 * GENEROUS)

        def is_asked() -> bool:
            with contextlib.suppress(BlockingIOError):
                callers.append(mute.accept()[0])
            return bool(callers)

        async def story() -> None:
            async with bench(tmp_path) as b:
                b.say(wish)
                await until(is_asked)

        callers: list[socket.socket] = []
        began_at = time.monotonic()
        asyncio.run(story())
        assert time.monotonic() - began_at < GENEROUS
        callers[0].close()
