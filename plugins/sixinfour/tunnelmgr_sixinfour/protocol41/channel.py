"""The raw channel of a tunnel: open on the address of this host that leads to the internet, whichever that is now."""

from ipaddress import IPv4Address

from tunnelmgr.api.datagrams import ChannelKind
from tunnelmgr.api.effects import CloseChannel, Done, Effect, EffectResult, Failed, FailureCode, OpenChannel
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.events import Down
from tunnelmgr.api.network import Endpoint, Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_sixinfour.constants import REOPEN_INTERVAL


class RawChannel:
    """At most one channel that counts. A new one has a new name: the old one may still be closing."""

    def __init__(self, local: IPv4Address | None, ttl: int, outbox: Outbox) -> None:
        self._configured = local
        self._ttl = ttl
        self._outbox = outbox
        self._number = 0
        self._asked: OpenChannel | None = None
        self._wanted: tuple[IPv4Address, bool] | None = None
        self._retry_at: float | None = None
        self.is_open = False
        self.complaint: Down | None = None
        """What to say of the latest attempt; None when it did not fail."""

    @property
    def name(self) -> str:
        return f"raw41/{self._number}"

    @property
    def local(self) -> IPv4Address | None:
        """The address in use, None while there is none."""
        return self._wanted[0] if self._wanted is not None else None

    def next_timeout(self) -> float | None:
        return self._retry_at

    def address_in(self, network: Network) -> IPv4Address | None:
        """Return the address this end has in a network, None when it has none."""
        return self._configured or network.source

    def want(self, network: Network, *, dont_fragment: bool) -> bool:
        """Be open on the right address, with DF as told; return whether another channel than before was asked for."""
        local = self.address_in(network)
        wanted = None if local is None else (local, dont_fragment)
        if wanted == self._wanted and self._retry_at is None:
            return False
        self.close()
        self._wanted = wanted
        if wanted is not None:
            self._open(*wanted)
        return True

    def _open(self, local: IPv4Address, dont_fragment: bool) -> None:
        self._number += 1
        # From any address, not from the remote alone, so that packets of strangers are counted.
        self._asked = OpenChannel(
            self.name, ChannelKind.RAW41, Endpoint(local, 0), path_mtu_discovery=dont_fragment, ttl=self._ttl
        )
        self._outbox.say(self._asked)

    def effect_done(self, effect: Effect, result: EffectResult, now: float) -> bool:
        """Take the answer to an effect; return whether it was about the channel that counts."""
        if effect is not self._asked:
            return False
        self._asked = None
        self.is_open = isinstance(result, Done)
        self.complaint = self._complaint_about(result) if isinstance(result, Failed) else None
        self._retry_at = None if self.is_open else now + REOPEN_INTERVAL
        return True

    def _complaint_about(self, failed: Failed) -> Down:
        if failed.code is FailureCode.NO_PERMISSION:
            hint = "raw sockets need the capability CAP_NET_RAW; run it as root"
            return Down(failed.text, hint, ExitCode.NO_PERMISSION, permanent=True)
        return Down(failed.text, f"check `local`: {self.local} must be an address of this host", ExitCode.FAILED)

    def handle_timeout(self, now: float) -> None:
        """Ask again for a channel that could not be had."""
        if self._retry_at is None or now < self._retry_at:
            return
        self._retry_at = None
        if self._wanted is not None:
            self._open(*self._wanted)

    def close(self) -> CloseChannel | None:
        """Close; return the effect whose answer means that it is done, None when nothing is open."""
        closing = None
        if self.is_open or self._asked is not None:
            closing = CloseChannel(self.name)
            self._outbox.say(closing)
        self.is_open, self._asked, self._wanted, self._retry_at = False, None, None, None
        return closing
