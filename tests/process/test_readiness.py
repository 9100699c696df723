"""What systemd hears."""

import signal
import socket
from pathlib import Path

from tests.process.conftest import PATIENCE, Start


def test_the_service_is_ready_when_packets_flow(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE)
        manager.bind(str(tmp_path / "notify"))
        service = start("foreground", "up", NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert [manager.recv(1000) for _ in range(2)] == [b"STATUS=up", b"READY=1"]
        service.send_signal(signal.SIGTERM)
        assert manager.recv(1000) == b"STOPPING=1"


def test_a_service_nobody_answers_says_why_and_is_not_ready(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(PATIENCE)
        manager.bind(str(tmp_path / "notify"))
        service = start("foreground", "silent", NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(1000) == b"STATUS=down: no answer from 192.0.2.1:3544 (3 tries)"
        service.send_signal(signal.SIGTERM)
        assert manager.recv(1000) == b"STOPPING=1"
