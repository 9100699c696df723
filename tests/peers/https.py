"""A web server with a certificate of an authority made for the test: `python -m tests.peers.https FOLDER ADDRESS PORT`.

It serves what files in FOLDER tell: `answer` holds status and body, and what was asked is appended to `requests`, one JSON
object a line. Where there is a file `raw`, its bytes are sent instead, as they are. `make_certificates` makes `ca.pem`,
`server.pem` and `server.key` there.
"""

import json
import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any


def make_certificates(folder: Path, name: str) -> Path:
    """Make an authority and a certificate for one host name; return the authority's file for SSL_CERT_FILE."""
    extensions = folder / "extensions"
    extensions.write_text(f"subjectAltName=DNS:{name}\n")
    elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    for words in (
        ["req", "-x509", *elliptic, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=laboratory", "-days", "2"],
        ["req", *elliptic, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}"],
        ["x509", "-req", "-in", "server.csr", "-out", "server.pem", "-extfile", extensions.name, *signed],
    ):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem"


def requests(folder: Path) -> list[dict[str, Any]]:
    """Return what was asked so far: `path`, `authorization` and `from`, the address of who asked."""
    file = folder / "requests"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def serve(folder: Path, address: str, port: int) -> None:
    """Answer for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {"path": self.path, "authorization": self.headers.get("Authorization"), "from": self.client_address[0]}
            with (folder / "requests").open("a") as file:
                file.write(json.dumps(asked) + "\n")
            if (raw := folder / "raw").exists():
                self.wfile.write(raw.read_bytes())
                return
            status, _, body = (folder / "answer").read_text().partition(" ")
            self.send_response(int(status))
            if status.startswith("3"):
                self.send_header("Location", body)
            self.end_headers()
            self.wfile.write(body.encode())

    class Server(HTTPServer):
        address_family = AF_INET6 if ":" in address else AF_INET

    server = Server((address, port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    (folder / "port").write_text(str(server.server_port))
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
