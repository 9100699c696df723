"""One HTTPS request. Imported when the first is made: http and ssl take 30 ms to import, and few profiles fetch anything.

Certificates are verified against the system's authorities, or those in the file `$SSL_CERT_FILE` names (OpenSSL's own
convention). Redirections are not followed: they may lead to plain http, and would take the credentials along.
"""

import base64
import ssl
from http.client import HTTPMessage
from typing import IO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from tunnelmgr.api.effects import Fetch, Response


class _StayHere(HTTPRedirectHandler):
    """Makes a redirection an answer like any other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        return None


def fetch(effect: Fetch) -> Response:
    """Return the answer, whatever its status, with one byte more than `response_max` where it is longer. Raises OSError.

    Blocks. Raises ValueError for anything but https.
    """
    if not effect.url.startswith("https://"):
        raise ValueError("only https is spoken")
    request = Request(effect.url, data=effect.body, headers=dict(effect.headers))  # noqa: S310 - https only, checked above
    if effect.username:
        credentials = base64.b64encode(f"{effect.username}:{effect.password}".encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {credentials}")
    opener = build_opener(HTTPSHandler(context=ssl.create_default_context()), _StayHere())
    try:
        with opener.open(request, timeout=effect.timeout) as answer:
            return Response(answer.status, answer.read(effect.response_max + 1))
    except HTTPError as answer:
        with answer:
            return Response(answer.code, answer.read(effect.response_max + 1))
