"""One HTTPS request. Imported when the first is made: http and ssl take 30 ms to import, and few profiles fetch anything.

It goes over IPv4 and straight to the server, without a proxy, whose address a provider would take for this host's.
Certificates are verified against the system's authorities, or those in the file `$SSL_CERT_FILE` names (OpenSSL's own
convention). Redirections are not followed: they may lead to plain http, and would take the credentials along.
"""

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPS_PORT, HTTPConnection, IncompleteRead
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from tunnelmgr.api.effects import Fetch, Response


class _OverIPv4(HTTPConnection):
    """Speaks TLS over IPv4, whatever else the name leads to."""

    default_port = HTTPS_PORT

    def __init__(self, host: str, port: int | None, timeout: float, source: IPv4Address | None) -> None:
        super().__init__(host, port, timeout=timeout)
        # With several uplinks another address may go another way, and would be taken for the tunnel's end.
        self._source = None if source is None else (str(source), 0)
        self._spoken: ssl.SSLSocket | None = None
        """The socket, also once the answer has it for its own."""
        self._is_over = False

    def connect(self) -> None:
        plain = self._connected()
        tls = ssl.create_default_context()
        self.sock = self._spoken = tls.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        if self._is_over:  # before there was anything to cut
            raise TimeoutError
        self._spoken.do_handshake()

    def _connected(self) -> socket.socket:
        """Connect to the first address of the host that answers in time. Raises OSError, of the last one."""
        *others, last = socket.getaddrinfo(self.host, self.port, socket.AF_INET, socket.SOCK_STREAM)
        for *_, address in others:
            with contextlib.suppress(OSError):
                if not self._is_over:
                    return socket.create_connection((str(address[0]), self.port), self.timeout, self._source)
        return socket.create_connection((str(last[4][0]), self.port), self.timeout, self._source)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Raise TimeoutError when a with block takes longer: octet by octet an answer could last for ever."""
        clock = threading.Timer(seconds, self._cut)
        clock.daemon = True
        clock.start()
        try:
            yield
        finally:
            clock.cancel()
            if self._is_over:
                raise TimeoutError(f"no whole answer in {seconds:g} s")

    def _cut(self) -> None:
        self._is_over = True
        if self._spoken is not None:
            with contextlib.suppress(OSError):  # it is closed already
                self._spoken.shutdown(socket.SHUT_RDWR)


def fetch(effect: Fetch) -> Response:
    """Return the answer, whatever its status, with one byte more than `response_max` where it is longer.

    Blocks for twice its timeout at most, and as long as the name is looked up. Raises OSError; HTTPException when the server
    speaks no HTTP, or not to the end; ValueError for anything but https.
    """
    url = urlsplit(effect.url)
    if url.scheme != "https" or not url.hostname:
        raise ValueError("only https is spoken")
    headers = {"User-Agent": "tunnelmgr", "Connection": "close", **effect.headers}
    if effect.username:
        credentials = base64.b64encode(f"{effect.username}:{effect.password}".encode()).decode("ascii")
        headers["Authorization"] = f"Basic {credentials}"
    connection = _OverIPv4(url.hostname, url.port, effect.timeout, effect.source)
    with contextlib.closing(connection), connection.within(effect.timeout):
        target = url._replace(scheme="", netloc="", path=url.path or "/", fragment="").geturl()
        connection.request("GET" if effect.body is None else "POST", target, effect.body, headers)
        answer = connection.getresponse()
        body = answer.read(effect.response_max + 1)
        if answer.length and len(body) <= effect.response_max:  # read() of a number does not look: it may say `good` of half
            raise IncompleteRead(body, answer.length)
        return Response(answer.status, body)
