"""What all tests of the project and of its plugins share.

HYPOTHESIS_PROFILE=deep makes property tests look a hundred times longer than the default, `fast`.
TUNNELMGR_REQUIRE_ALL_TIERS=1 makes every skip a failure: where each tier must run, a skip hides a missing program.
"""

import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

# Deadlines measure the machine: a busy one fails them at random.
settings.register_profile("fast", deadline=None, max_examples=100, derandomize=True)
settings.register_profile(
    "deep", deadline=None, max_examples=10_000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

ALL_TIERS_REQUIRED = os.environ.get("TUNNELMGR_REQUIRE_ALL_TIERS") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one where all tiers are required."""
    report = yield
    if ALL_TIERS_REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although TUNNELMGR_REQUIRE_ALL_TIERS=1: {call.excinfo and call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped test file into a failed one where all tiers are required."""
    report = yield
    if ALL_TIERS_REQUIRED and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped although TUNNELMGR_REQUIRE_ALL_TIERS=1: {report.longrepr}"
    return report


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_is_heard() -> Iterator[None]:
    """A shell has its background jobs ignore SIGINT, and what they start inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
