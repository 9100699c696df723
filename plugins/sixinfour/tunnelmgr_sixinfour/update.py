"""Tells the provider where this end is, once per real change (docs/protocols/sixinfour.md section 8).

With a public address a change is known: it differs from the one the provider acknowledged last. Behind a NAT it is not:
there the provider is told of another address inside, and when the far end has been silent for three minutes.
"""

from enum import Enum
from ipaddress import IPv4Address

from tunnelmgr.api.effects import Cancel, Done, Effect, EffectResult, Failed, Fetch, Remember, Response
from tunnelmgr.api.events import Notice
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_sixinfour.addresses import is_private
from tunnelmgr_sixinfour.constants import (
    UPDATE_ABUSE_PAUSE,
    UPDATE_ANSWER_MAX,
    UPDATE_INTERVAL,
    UPDATE_RETRY,
    UPDATE_SILENCE,
    UPDATE_TIMEOUT,
)
from tunnelmgr_sixinfour.provider import Answer, Verdict, read_answer
from tunnelmgr_sixinfour.update_settings import UpdateSettings

MEMORY_KEY = "endpoint"


class Standing(Enum):
    """What the provider knows of us."""

    CURRENT = "current"
    """Where we are; nothing to tell."""
    DUE = "due"
    """Not where we are, or nobody knows: it will be told when it may be."""
    ASKING = "asking"
    REFUSED = "refused"
    """It does not want to hear from this configuration."""


class EndpointUpdate:
    """One tunnel's updates."""

    def __init__(self, settings: UpdateSettings, outbox: Outbox) -> None:
        self._settings = settings
        self._outbox = outbox
        self._standing = Standing.CURRENT
        self._local: IPv4Address | None = None
        self._acknowledged: bytes = b""
        """The local address the provider was told from when it agreed last."""
        self._asking: Fetch | None = None
        self._due_at: float | None = None
        self._not_before = float("-inf")
        self._retry = UPDATE_RETRY[0]
        self._silent_since: float | None = None
        self._silence_told = False
        self.last_answer = ""

    @property
    def standing(self) -> str:
        return self._standing.value

    def recall(self, remembered: bytes) -> None:
        """Take what an earlier run asked to be remembered."""
        self._acknowledged = remembered

    def located(self, local: IPv4Address, now: float) -> None:
        """This end is at `local`."""
        if local == self._local:
            return
        self._local = local
        if self._standing is Standing.REFUSED:
            return
        if self._asking is not None:  # it tells where we were
            self._outbox.say(Cancel(self._asking))
            self._asking = None
        if str(local).encode() == self._acknowledged:
            self._standing, self._due_at = Standing.CURRENT, None
        else:
            self._become_due(now)

    def heard(self) -> None:
        """The far end answers."""
        self._silent_since, self._silence_told = None, False

    def silent(self, now: float) -> None:
        """The far end does not answer."""
        if self._silent_since is None:
            self._silent_since = now
        if self._local is None or not is_private(self._local) or self._silence_told:
            return
        if self._standing is Standing.CURRENT and now - self._silent_since >= UPDATE_SILENCE:
            self._silence_told = True
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
        if self._asking is None or effect is not self._asking:
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
        self._obey(answer, now)
        return answer.verdict is Verdict.ACCEPTED

    def _obey(self, answer: Answer, now: float) -> None:
        match answer.verdict:
            case Verdict.ACCEPTED:
                self._standing, self._retry = Standing.CURRENT, UPDATE_RETRY[0]
                self._acknowledged = str(self._local).encode()
                self._outbox.say(Remember(MEMORY_KEY, self._acknowledged))
                self._say("6in4.updated", f"the provider knows this end at {answer.address or self._local}")
            case Verdict.REFUSED:
                self._standing = Standing.REFUSED
                hint = "check username, key and tunnel under `update`"
                self._say("6in4.update-refused", f"the provider refuses the update: {self.last_answer}; {hint}")
            case Verdict.ABUSE:
                self._wait(UPDATE_ABUSE_PAUSE, now)
                self._say(
                    "6in4.update-blocked", "the provider has blocked this tunnel for too many updates, trying in a day"
                )
            case Verdict.RETRY:
                self._wait(self._retry, now)
                minutes = self._retry / 60
                self._retry = min(2 * self._retry, UPDATE_RETRY[1])
                self._say("6in4.update-failed", f"no update: {self.last_answer}; trying again in {minutes:.0f} min")

    def _wait(self, seconds: float, now: float) -> None:
        self._standing, self._due_at = Standing.DUE, now + seconds
        self._not_before = self._due_at

    def _say(self, code: str, text: str) -> None:
        self._outbox.say(Notice(code, text))
