"""What systemd hears."""

import signal
import socket
from pathlib import Path

import pytest

from tests.process.conftest import PATIENCE, Start


@pytest.mark.parametrize(("ending", "status"), [("up", "up"), ("silent", "down: no answer from 192.0.2.1:3544 (3 tries)")])
def test_the_service_is_ready_when_the_first_attempt_has_ended(
    start: Start, tmp_path: Path, ending: str, status: str
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE)
        manager.bind(str(tmp_path / "notify"))
        service = start("foreground", ending, NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert [manager.recv(1000).decode() for _ in range(2)] == [f"STATUS={status}", "READY=1"]
        service.send_signal(signal.SIGTERM)
        assert manager.recv(1000) == b"STOPPING=1"
