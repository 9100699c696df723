"""A pytest plugin that tells which lines of a package each test executes: `pytest -p tools.executed_lines`.

EXECUTED_LINES_OF is the folder of the package, EXECUTED_LINES_TO the JSON file: test (without parameters) -> file below
the folder -> lines.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

FOLDER = os.environ["EXECUTED_LINES_OF"]
_executed: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Trace the test itself and not its fixtures: what they run, every test of the file runs."""
    lines = _executed[item.nodeid.partition("[")[0]]

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(FOLDER):
            return None
        lines[file[len(FOLDER) + 1 :]].add(frame.f_lineno)
        return trace

    sys.settrace(trace)
    try:
        return (yield)
    finally:
        sys.settrace(None)


def pytest_sessionfinish() -> None:
    """Write the file."""
    found = {test: {file: sorted(lines) for file, lines in files.items()} for test, files in _executed.items()}
    Path(os.environ["EXECUTED_LINES_TO"]).write_text(json.dumps(found))
