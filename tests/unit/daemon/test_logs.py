"""What goes to the journal and to the log file."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunnelmgr.daemon.constants import LOG_BYTES_MAX
from tunnelmgr.daemon.logs import PrefixedFormatter, is_journal, journal_field, log_detached, log_to_stderr


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def test_a_field_is_a_line() -> None:
    assert journal_field("MESSAGE", "home: starting") == b"MESSAGE=home: starting\n"


def test_a_field_with_line_ends_carries_its_length() -> None:
    assert journal_field("MESSAGE", "a\nb") == b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n"


def test_without_a_journal_the_log_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "home.log"
    assert log_detached("home", file, tmp_path / "no-journal") == str(file)
    logging.getLogger("tunnelmgr_teredo").info("qualified")
    assert file.read_text().endswith("INFO qualified\n")


def test_the_file_is_rotated_once(tmp_path: Path) -> None:
    file = tmp_path / "home.log"
    log_detached("home", file, tmp_path / "no-journal")
    for _ in range(25):
        logging.getLogger("tunnelmgr").info("x" * (LOG_BYTES_MAX // 10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home.log", "home.log.1"]
    assert all(path.stat().st_size <= LOG_BYTES_MAX for path in tmp_path.iterdir())


def test_systemd_gets_a_priority_before_every_line() -> None:
    record = logging.LogRecord("tunnelmgr", logging.WARNING, "", 0, "two\nlines", (), None)
    assert PrefixedFormatter().format(record) == "<4>two\n<4>lines"


def test_the_journal_is_recognised_by_the_file_not_by_the_variable() -> None:
    file = os.stat(__file__)
    assert is_journal(f"{file.st_dev}:{file.st_ino}", file)
    assert not is_journal("8:1", file)
    assert not is_journal("", file)


def test_a_terminal_gets_the_bare_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert log_to_stderr() == "standard error"
    logging.getLogger("tunnelmgr").info("home: starting, teredo, server 192.0.2.1")
    assert capsys.readouterr().err == "home: starting, teredo, server 192.0.2.1\n"
