"""docs/exit-codes.md and the systemd unit say of exit codes what the code does."""

import re

from tests.documents import ROOT, tables
from tunnelmgr.api.errors import ExitCode

PAGE = (ROOT / "docs" / "exit-codes.md").read_text()


def test_the_page_has_every_code_and_no_other() -> None:
    (table,) = tables(PAGE)
    told = {(int(row[0]), row[1]) for row in table.rows}
    assert told == {(code.value, code.name.lower().replace("_", " ")) for code in ExitCode}


def test_the_page_and_the_unit_name_the_permanent_ones() -> None:
    permanent = {code.value for code in ExitCode if code.permanent}
    (sentence,) = re.findall(r"^([\d, and]+) are permanent:", PAGE, re.MULTILINE)
    assert set(map(int, re.findall(r"\d+", sentence))) == permanent
    unit = (ROOT / "configs" / "tunnelmgr@.service").read_text()
    (listed,) = re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE)
    assert set(map(int, listed.split())) == permanent
