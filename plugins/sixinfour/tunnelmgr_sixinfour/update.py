"""Tells the provider where this end is, once per real change (docs/protocols/sixinfour.md section 8).

A change is known when this end's address differs from the one the provider acknowledged last. Otherwise the silence of the
far end is the only sign of one: a NAT has another address outside, or somebody else told the provider. Three minutes of it
are a reason to tell again; behind a NAT the first lost requests of a start are, since nothing shows what happened before it.
"""

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address

from tunnelmgr.api.effects import Cancel, Done, Effect, EffectResult, Failed, Fetch, Response
from tunnelmgr.api.events import Notice
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_sixinfour.addresses import is_private
from tunnelmgr_sixinfour.constants import (
    UPDATE_ANSWER_MAX,
    UPDATE_INTERVAL,
    UPDATE_SILENCE,
    UPDATE_TIMEOUT,
)
from tunnelmgr_sixinfour.provider import Answer, Verdict, read_answer
from tunnelmgr_sixinfour.registration import Registration
from tunnelmgr_sixinfour.update_settings import UpdateSettings


class Standing(Enum):
    """What the provider knows of us."""

    CURRENT = "current"
    """Where we are; nothing to tell."""
    DUE = "due"
    """Not where we are, or nobody knows: it will be told when it may be."""
    ASKING = "asking"
    REFUSED = "refused"
    """It does not want to hear of this registration."""


class EndpointUpdate:
    """One tunnel's updates."""

    def __init__(self, settings: UpdateSettings, outbox: Outbox) -> None:
        self._settings = settings
        self._outbox = outbox
        self._registration = Registration(settings, outbox)
        self._standing: Standing | None = None
        """None until this end is somewhere."""
        self._local: IPv4Address | None = None
        self._asking: Fetch | None = None
        self._due_at: float | None = None
        self._not_before = float("-inf")
        self._silent_since: float | None = None
        self._was_heard = False
        self.last_answer = ""

    @property
    def standing(self) -> str | None:
        return None if self._standing is None else self._standing.value

    def recall(self, memory: Mapping[str, bytes], now: float) -> None:
        """Take what an earlier start asked to be remembered."""
        self._registration.recall(memory)
        self._not_before = now + self._registration.pause
        if self._registration.refusal:
            self._refused(self._registration.refusal)

    def located(self, local: IPv4Address, now: float) -> None:
        """This end is at `local`."""
        if local == self._local:
            return
        self._local = local
        if self._standing is Standing.REFUSED:
            return
        if self._asking is not None:  # it tells where we were, and may have arrived
            self._outbox.say(Cancel(self._asking))
            self._asking = None
        if local == self._registration.address:
            self._standing, self._due_at = Standing.CURRENT, None
        else:
            self._become_due(now)

    def heard(self) -> None:
        """The far end answers."""
        self._silent_since, self._was_heard = None, True
        self._registration.heard()

    def silent(self, now: float) -> None:
        """The far end has left several requests in a row without an answer."""
        if self._silent_since is None:
            self._silent_since = now
        if self._local is None or self._standing is not Standing.CURRENT or self._registration.is_unheard:
            return
        patience = 0.0 if is_private(self._local) and not self._was_heard else UPDATE_SILENCE
        if now - self._silent_since >= patience:
            self._become_due(now)

    def _become_due(self, now: float) -> None:
        self._standing, self._due_at = Standing.DUE, max(now, self._not_before)

    @property
    def next_timeout(self) -> float | None:
        return self._due_at

    def handle_timeout(self, now: float) -> None:
        """Ask when it is due."""
        if self._due_at is None or now < self._due_at or self._local is None:
            return
        self._due_at, self._not_before = None, now + UPDATE_INTERVAL
        self._registration.asked()
        self._standing, self._asking = Standing.ASKING, self._request(self._local)
        self._outbox.say(self._asking)

    def _request(self, local: IPv4Address) -> Fetch:
        # Behind a NAT the provider takes the address it sees, which is the NAT's.
        address = "" if is_private(local) else f"&myip={local}"
        return Fetch(
            f"{self._settings.url}?hostname={self._settings.tunnel}{address}",
            username=self._settings.username,
            password=self._settings.key.reveal(),
            response_max=UPDATE_ANSWER_MAX,
            timeout=UPDATE_TIMEOUT,
        )

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> bool:
        """Take the provider's answer; return whether it accepted an update."""
        if self._asking is None or effect is not self._asking or self._local is None:
            return False
        self._asking = None
        match result:
            case Done(value=Response() as response):
                answer = read_answer(response)
            case Failed(text=text):
                answer = Answer(Verdict.RETRY, text)
            case _:
                answer = Answer(Verdict.RETRY, "no answer")
        self.last_answer = answer.text.replace(self._settings.key.reveal(), "***")
        self._obey(answer, self._local, now)
        return answer.verdict is Verdict.ACCEPTED

    def _obey(self, answer: Answer, local: IPv4Address, now: float) -> None:
        match answer.verdict:
            case Verdict.ACCEPTED:
                self._standing = Standing.CURRENT
                self._registration.accepted(local)
                self._say("6in4.updated", f"the provider knows this end at {answer.address or local}")
            case Verdict.REFUSED:
                self._registration.refused(self.last_answer)
                self._refused(self.last_answer)
            case Verdict.ABUSE:
                self._wait(self._registration.blocked(), now)
                self._say(
                    "6in4.update-blocked", "the provider has blocked this tunnel for too many updates, trying in a day"
                )
            case Verdict.RETRY:
                pause = self._registration.failed()
                self._wait(pause, now)
                self._say("6in4.update-failed", f"no update: {self.last_answer}; trying again in {pause / 60:.0f} min")

    def _refused(self, text: str) -> None:
        self._standing, self.last_answer = Standing.REFUSED, text
        hint = "check username, key and tunnel under `update`"
        self._say("6in4.update-refused", f"the provider refuses the update: {text}; {hint}")

    def _wait(self, seconds: float, now: float) -> None:
        self._standing, self._due_at = Standing.DUE, now + seconds
        self._not_before = self._due_at

    def _say(self, code: str, text: str) -> None:
        self._outbox.say(Notice(code, text))
