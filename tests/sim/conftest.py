"""Every test here may use `internet`; when one fails, the packet ladder of each internet it made is shown."""

from collections.abc import Generator

import pytest

from tunnelmgr.lab.simulated import Internet


@pytest.fixture
def internet() -> Internet:
    return Internet(seed=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None and report.failed:
        values = [value for entry in call.excinfo.traceback for value in entry.frame.f_locals.values()]
        internets = {id(value): value for value in values if isinstance(value, Internet)}
        report.sections += [("packet ladder", str(one.ladder)) for one in internets.values()]
    return report
