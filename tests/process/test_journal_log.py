"""The log of a detached process where journald listens."""

import logging
import socket
from pathlib import Path

from tunnelmgr.daemon.logs import JournalHandler


def test_a_record_arrives_at_the_journal_with_its_profile(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "journal"))
        handler = JournalHandler("home", tmp_path / "journal")
        handler.emit(logging.LogRecord("tunnelmgr", logging.WARNING, "", 0, "home: %s", ("down",), None))
        handler.close()
        assert journal.recv(1000) == (
            b"MESSAGE=home: down\nPRIORITY=4\nSYSLOG_IDENTIFIER=tunnelmgr\nTUNNELMGR_PROFILE=home\n"
        )


def test_a_journal_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    handler = JournalHandler("home", tmp_path / "journal")
    handler.emit(logging.LogRecord("tunnelmgr", logging.WARNING, "", 0, "lost", (), None))
    handler.close()
