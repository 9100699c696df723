"""Tells the provider where this end is, once per real change (docs/protocols/sixinfour.md section 8).

A change is known when this end's address differs from the one the provider acknowledged last. Otherwise the silence of the
far end is the only sign of one: a NAT has another address outside, or somebody else told the provider. Three minutes of it
are a reason to tell again; behind a NAT the first lost requests of a start are, since nothing shows what happened before it,
and a silence that lasts is one more than once.

What the provider says decides when it may be asked again. A request that did not get there is no burden: it is made again
soon, and at once when the network is another.
"""

import contextlib
from collections.abc import Mapping
from enum import Enum
from hashlib import blake2b
from ipaddress import IPv4Address
from math import ceil, inf

from tunnelmgr.api.addresses import is_behind_nat
from tunnelmgr.api.effects import Cancel, Done, Effect, EffectResult, Failed, FailureCode, Fetch, Remember, Response
from tunnelmgr.api.events import Notice
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.api.status import Fact
from tunnelmgr_sixinfour.constants import (
    UPDATE_ABUSE_PAUSE,
    UPDATE_ANSWER_MAX,
    UPDATE_INTERVAL,
    UPDATE_REFUSED_PAUSE,
    UPDATE_RETRY,
    UPDATE_SILENCE,
    UPDATE_TIMEOUT,
    UPDATE_TOLD_AGAIN,
    UPDATE_UNREACHED_RETRY,
)
from tunnelmgr_sixinfour.protocol41.diagnosis import SparingNotices
from tunnelmgr_sixinfour.provider.answers import AnswerKind, ProviderAnswer, read_answer
from tunnelmgr_sixinfour.provider.settings import UpdateSettings

_UNREACHED = {FailureCode.NOT_FOUND, FailureCode.UNREACHABLE, FailureCode.NO_PERMISSION}


class Registered(Enum):
    """What the provider knows of us."""

    CURRENT = "current"
    """Where we are; nothing to tell."""
    DUE = "due"
    """Not where we are, or something that we do not know. It will be told as soon as it may be asked."""
    ASKING = "asking"
    REFUSED = "refused"
    """It does not want to hear of this registration: it is asked again a day later."""


class EndpointUpdate:
    """One tunnel's updates."""

    def __init__(self, settings: UpdateSettings, outbox: Outbox) -> None:
        self._settings = settings
        self._outbox = outbox
        self._notices = SparingNotices(outbox)
        # Everything a request says of it identifies a registration: with another key or tunnel the past of the old one is
        # void. By a digest, since the key has no business in another file.
        words = (settings.url, str(settings.tunnel), settings.username, settings.key.reveal())
        self._digest = blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
        self._standing: Registered | None = None
        """None until this end is somewhere."""
        self._local: IPv4Address | None = None
        self._asking: Fetch | None = None
        self._due_at: float | None = None
        self._not_before = -inf
        """When the provider may be asked again."""
        self._known_at: IPv4Address | None = None
        """Where this end is, as the provider agreed last; None when it is not known what the provider believes."""
        self._retry, self._unreached_retry = UPDATE_RETRY[0], UPDATE_UNREACHED_RETRY[0]
        self._told_again = UPDATE_TOLD_AGAIN[0]
        self._told_until = -inf
        """Until when silence is no reason to tell: the far end has not been heard since the provider agreed, so telling it
        again is of little use. Behind a NAT that ends, since nothing else shows that the address outside is another."""
        self._silent_since: float | None = None
        self._was_heard = False
        self._last_answer = ""

    def facts(self) -> dict[str, Fact]:
        """Return what `status` tells of the provider."""
        standing = None if self._standing is None else self._standing.value
        return {"provider": standing, "provider_said": self._last_answer or None}

    def recall(self, memory: Mapping[str, bytes], now: float) -> None:
        """Take what earlier starts asked to be remembered.

        The whole pause of an earlier start counts, of which some is over: the clock of a Tunnel does not tell how much, and
        waiting longer than needed is polite.
        """
        outcome, _, rest = self._recalled(memory, "outcome").partition(" ")
        with contextlib.suppress(ValueError):
            if unheard := self._recalled(memory, "unheard"):
                self._tell_again_in(float(unheard), now)
        with contextlib.suppress(ValueError):
            self._not_before = now + float(self._recalled(memory, "pause") or 0.0)
            match outcome:
                case "at":
                    self._known_at = IPv4Address(rest)
                case "refused":
                    self._refused(rest, now)
                case "failed":
                    self._retry = float(rest)

    def _recalled(self, memory: Mapping[str, bytes], name: str) -> str:
        return memory.get(f"{name} {self._digest}", b"").decode(errors="replace")

    def _keep(self, name: str, text: str, lifetime: float | None = None) -> None:
        """Remember the `outcome` of the latest request, the `pause` before the next, or `unheard` after an agreement."""
        self._outbox.say(Remember(f"{name} {self._digest}", text.encode(), lifetime))

    def located(self, local: IPv4Address, now: float) -> None:
        """This end is at `local`."""
        if local == self._local:
            self.network_changed(now)
            return
        self._local = local
        if self._standing is Registered.REFUSED:
            return
        if self._asking is not None:  # it tells where we were, and may have arrived
            self._outbox.say(Cancel(self._asking))
            self._asking = None
        if local == self._known_at:
            self._standing, self._due_at = Registered.CURRENT, None
        else:
            self._become_due(now)

    def network_changed(self, now: float) -> None:
        """There may be a way to the provider again."""
        self._unreached_retry = UPDATE_UNREACHED_RETRY[0]
        if self._standing is Registered.DUE:
            self._become_due(now)

    def heard(self) -> None:
        """The far end answers."""
        self._silent_since, self._was_heard = None, True
        if self._told_until != -inf:
            self._told_until, self._told_again = -inf, UPDATE_TOLD_AGAIN[0]
            self._keep("unheard", "")

    def silent(self, now: float) -> None:
        """The far end has left several requests in a row without an answer."""
        if self._silent_since is None:
            self._silent_since = now
        if self._local is None or self._standing is not Registered.CURRENT or now < self._told_until:
            return
        patience = 0.0 if is_behind_nat(self._local) and not self._was_heard else UPDATE_SILENCE
        if now - self._silent_since >= patience:
            self._become_due(now)

    def _become_due(self, now: float) -> None:
        due_at = max(now, self._not_before)
        if due_at not in {now, self._due_at}:
            what = f"{self._settings.service} hears where tunnel {self._settings.tunnel} ends"
            self._say("6in4.update-waits", f"{what} in {ceil((due_at - now) / 60)} min, no sooner after the latest request")
        self._standing, self._due_at = Registered.DUE, due_at

    def next_timeout(self) -> float | None:
        return None if self._local is None else self._due_at

    def handle_timeout(self, now: float) -> None:
        """Ask when it is due."""
        if self._due_at is None or now < self._due_at or self._local is None:
            return
        self._due_at, self._not_before = None, now + UPDATE_INTERVAL
        if self._known_at is not None:  # the request may take effect although its answer is never seen
            self._known_at = None
            self._keep("outcome", "")
        self._keep("pause", str(UPDATE_INTERVAL), UPDATE_INTERVAL)
        self._standing, self._asking = Registered.ASKING, self._request(self._local)
        self._outbox.say(self._asking)

    def _request(self, local: IPv4Address) -> Fetch:
        # Behind a NAT the provider takes the address it sees, which is the NAT's.
        address = "" if is_behind_nat(local) else f"&myip={local}"
        return Fetch(
            f"{self._settings.url}?hostname={self._settings.tunnel}{address}",
            username=self._settings.username,
            password=self._settings.key.reveal(),
            source=local,
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
            case Failed(code=code, text=text) if code in _UNREACHED:
                answer = ProviderAnswer(AnswerKind.UNREACHED, text)
            case Failed(text=text):
                answer = ProviderAnswer(AnswerKind.RETRY, text)
            case _:
                answer = ProviderAnswer(AnswerKind.RETRY, "no answer")
        self._last_answer = answer.text.replace(self._settings.key.reveal(), "***")
        self._obey(answer, self._local, now)
        return answer.verdict is AnswerKind.ACCEPTED

    def _obey(self, answer: ProviderAnswer, local: IPv4Address, now: float) -> None:
        service, tunnel = self._settings.service, self._settings.tunnel
        match answer.verdict:
            case AnswerKind.ACCEPTED:
                self._accepted(local, now)
                self._say("6in4.updated", f"the provider knows this end at {answer.address or local}")
            case AnswerKind.REFUSED:
                self._keep("outcome", f"refused {self._last_answer}", UPDATE_REFUSED_PAUSE)
                self._refused(self._last_answer, now)
            case AnswerKind.ABUSE:
                self._pause(UPDATE_ABUSE_PAUSE, now)
                hint = "see that nothing else updates it: it is asked again in a day"
                self._say("6in4.update-blocked", f"{service} has blocked tunnel {tunnel} for too many updates; {hint}")
            case AnswerKind.RETRY:
                pause, self._retry = self._retry, min(2 * self._retry, UPDATE_RETRY[1])
                # Long enough for the pause and another failure.
                self._keep("outcome", f"failed {self._retry}", 2 * self._retry)
                self._pause(pause, now)
                text = f"no update of tunnel {tunnel}: {self._last_answer}; {service} is asked again in {pause / 60:.0f} min"
                self._say("6in4.update-failed", text)
            case AnswerKind.UNREACHED:  # so the provider need not be spared another request
                self._keep("pause", "")
                self._wait(self._unreached_retry, now)
                self._not_before = now
                self._unreached_retry = min(2 * self._unreached_retry, UPDATE_UNREACHED_RETRY[1])
                text = f"no update of tunnel {tunnel}: {self._last_answer}; it is tried until it gets there"
                self._notices.say("6in4.update-failed", text, now)

    def _accepted(self, local: IPv4Address, now: float) -> None:
        self._standing, self._known_at = Registered.CURRENT, local
        self._retry, self._unreached_retry = UPDATE_RETRY[0], UPDATE_UNREACHED_RETRY[0]
        self._keep("outcome", f"at {local}")
        again = self._told_again if is_behind_nat(local) else inf
        self._keep("unheard", str(again), UPDATE_TOLD_AGAIN[1])
        self._tell_again_in(again, now)

    def _tell_again_in(self, seconds: float, now: float) -> None:
        self._told_until, self._told_again = now + seconds, min(2 * seconds, UPDATE_TOLD_AGAIN[1])

    def _refused(self, text: str, now: float) -> None:
        self._wait(UPDATE_REFUSED_PAUSE, now)
        self._standing, self._last_answer = Registered.REFUSED, text
        reason = f"{self._settings.service} refuses the update of tunnel {self._settings.tunnel}: {text}"
        hint = "check username, key and tunnel under `update`; if they are right, mend it there: it is asked again in a day"
        self._say("6in4.update-refused", f"{reason}; {hint}")

    def _pause(self, seconds: float, now: float) -> None:
        """Wait, also in the starts to come."""
        self._keep("pause", str(seconds), seconds)
        self._wait(seconds, now)

    def _wait(self, seconds: float, now: float) -> None:
        self._standing, self._due_at = Registered.DUE, now + seconds
        self._not_before = self._due_at

    def _say(self, code: str, text: str) -> None:
        self._outbox.say(Notice(code, text))
