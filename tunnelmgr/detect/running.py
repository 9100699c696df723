"""Detection on the real network: the same driver that runs tunnels, without a device."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random, SystemRandom
from typing import ClassVar

from tunnelmgr.api.network import Network
from tunnelmgr.api.report import NetworkReport
from tunnelmgr.api.settings import Settings
from tunnelmgr.api.transport import Fit, Suitability, Transport
from tunnelmgr.core.choosing.choice import Survey
from tunnelmgr.core.driving.driver import Driver, TunnelNews
from tunnelmgr.core.driving.memory import Memory
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.detect.detection import Detection
from tunnelmgr.detect.far_ends import ANOTHER
from tunnelmgr.detect.findings import Findings
from tunnelmgr.detect.plan import Plan, plan_for


class _Detecting(Transport):
    """What the driver takes a Tunnel from."""

    type_name: ClassVar[str] = "detect"
    summary: ClassVar[str] = "looks at the network"
    roles: ClassVar[Mapping[str, type[Settings]]] = {}

    def __init__(self, detection: Detection) -> None:
        self._detection = detection

    def describe(self) -> str:
        return self.summary

    def suits(self, report: NetworkReport) -> Suitability:
        return Suitability(Fit.GOOD, "every network can be looked at")

    def tunnel(self, random: Random) -> Detection:
        return self._detection


async def survey(profile: Profile, network: Network) -> Survey:
    """Ask the servers that a profile names; return what its methods are judged by."""
    findings = await detect(plan_for(profile, SystemRandom()), network)
    return Survey(findings.report(), frozenset(_unreached(profile, findings)), close=True)


def _unreached(profile: Profile, findings: Findings) -> Iterator[int]:
    """Yield the methods, by their place in the profile, of whose far ends none answered."""
    reached: dict[tuple[str, str], list[bool | None]] = {}
    for far_end in findings.far_ends:
        reached.setdefault((far_end.method, far_end.what.partition(ANOTHER)[0]), []).append(far_end.reached)
    for number, method in enumerate(profile.methods):
        ordinary = [probe for probe in method.transport.probes(SystemRandom()) if not probe.stranger]
        answers = [answer for probe in ordinary for answer in reached.get((method.type, probe.what), [None])]
        if answers and all(answer is False for answer in answers):
            yield number


async def detect(plan: Plan, network: Network) -> Findings:
    """Ask everybody of the plan; return within `DETECTION_TIMEOUT` and what it takes to close sockets."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    detection = Detection(plan, SystemRandom())

    def ended(_: TunnelNews) -> None:
        if not done.done():
            done.set_result(None)

    driver = Driver(
        _Detecting(detection),
        Memory(Path(os.devnull)),  # nothing is remembered
        on_news=ended,
        on_crash=done.set_exception,
        on_device_lost=done.set_exception,
    )
    try:
        driver.start(network)
        await done
        return detection.findings()
    finally:
        await driver.stop()
        await driver.close()
