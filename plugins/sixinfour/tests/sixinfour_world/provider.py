"""A provider on the simulated internet that answers as it is told, and a customer of it."""

from ipaddress import IPv4Address
from typing import Any

from tests.sixinfour_world.ends import HOME, home_end

from tunnelmgr.api.effects import Done, Failed, FailureCode, Fetch, Remember, Response
from tunnelmgr.api.events import Notice
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr_sixinfour.provider.settings import UpdateSettings
from tunnelmgr_sixinfour.provider.update import EndpointUpdate

URL = "https://ipv4.tunnelbroker.net/nic/update"
UNREACHED = Failed(FailureCode.UNREACHABLE, f"fetching {URL}: Temporary failure in name resolution")
UPDATE = {"provider": "he", "tunnel": 123456, "username": "me", "key": "S3CRET"}
LATER = "203.0.113.99"


class ScriptedProvider:
    """Answers in turn; the last answer stays."""

    def __init__(self, internet: Internet, *answers: str | Response | Failed) -> None:
        self.requests: list[Fetch] = []
        self.asked_at: list[float] = []
        self._answers = list(answers)
        self._internet = internet
        internet.web("https://", self._answer)

    def _answer(self, request: Fetch) -> Response | Failed:
        self.requests.append(request)
        self.asked_at.append(self._internet.now)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return Response(200, answer.encode()) if isinstance(answer, str) else answer

    def then(self, answer: str | Failed) -> None:
        self._answers = [answer]


def add_customer(internet: Internet, remembered: str = "", update: dict[str, Any] = UPDATE, **how: Any) -> SimulatedHost:
    host = internet.add(home_end(update=update), name="home", **({"address": HOME} | how))
    if remembered:
        host.memory |= memory_of_being_known_at(remembered)
    return host


def memory_of_being_known_at(address: str) -> dict[str, bytes]:
    """What lasts of an update that the provider accepted, and after which the far end was heard."""
    update = EndpointUpdate(UpdateSettings.model_validate(UPDATE), outbox := Outbox())
    update.located(IPv4Address(address), 0.0)
    update.handle_timeout(0.0)
    (request,) = [event for event in outbox.drain_events() if isinstance(event, Fetch)]
    update.effect_done(request, Done(Response(200, b"good")), 0.0)
    said = [event for event in outbox.drain_events() if isinstance(event, Remember)]
    return {event.key: event.value for event in said if event.lifetime is None}


def restart_often(internet: Internet, host: SimulatedHost, times: int) -> None:
    """Start again and again, as a method does that carries nothing."""
    for _ in range(times):
        internet.run(30)
        host.restart()


def said(host: SimulatedHost, code: str) -> list[str]:
    return [event.text for event in host.events if isinstance(event, Notice) and event.code == code]
