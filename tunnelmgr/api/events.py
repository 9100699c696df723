"""What a Tunnel says: drained by the pump after every input."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from typing import NamedTuple

from tunnelmgr.api.effects import Cancel, Effect
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint

EVERYWHERE = IPv6Network("::/0")


class OuterTos(NamedTuple):
    """How the outer TOS octet of a path comes about. On protocol 41 only."""

    value: int = 0
    """What it says where nothing is inherited."""
    inherited: int = 0
    """The bits taken from the inner traffic class: 0x03 for ECN (RFC 6040, normal mode), 0xFC for the DSCP (RFC 2983,
    uniform model), which is then copied back on the way in."""

    def outer(self, inner: int) -> int:
        """Return the outer octet for an inner traffic class."""
        return inner & self.inherited | self.value & ~self.inherited


_TOS_ZERO = OuterTos()


@dataclass(frozen=True, slots=True)
class Up:
    """The tunnel is ready for packets, configured like this. Said again whenever the configuration changes."""

    config: HostConfig
    details: Mapping[str, str] = field(default_factory=dict)
    """Short facts for the user, in order of interest: {"server": "192.0.2.1", "nat": "port-restricted"}."""
    probe: tuple[IPv6Address, ...] = ()
    """Hosts whose answer to a ping proves that packets flow; empty when the transport knows none."""
    exposure: str = ""
    """What strangers can do in the name of this host, in a sentence without a full stop; empty where they cannot."""
    exposure_hint: str = ""
    """The next step, worded as an instruction."""


@dataclass(frozen=True, slots=True)
class Down:
    """The tunnel does not work: what `Up` configured goes away.

    Unless `permanent`, the Tunnel itself goes on trying and says `Up` again when it succeeds.
    """

    reason: str
    """Names the thing and the value seen: "no answer from 192.0.2.1:3544 (3 tries)"."""
    hint: str = ""
    """The next step, worded as an instruction."""
    code: ExitCode = ExitCode.NO_ANSWER
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """The far end does not answer, not yet or not any more. All that `Up` configured stays, except for the default route.

    It is said after `Up`. When the far end is heard, `Up` is said again.
    """

    reason: str
    """Names the thing and the value seen, like the reason of `Down`."""
    hint: str = ""
    """The next step, worded as an instruction."""


@dataclass(frozen=True, slots=True)
class PathUp:
    """Packets for `prefix` may be carried to `remote` on `channel` without asking the Tunnel. Replaces an older one.

    Outward, a packet goes when its inner destination is within `prefix` and its inner source within `local`. Inward, it
    is let in when it comes from `remote` with an inner source within `prefix`, outside `ingress`, and an inner
    destination within `local`.
    """

    prefix: IPv6Network
    remote: Endpoint
    channel: str
    valid_for: float | None
    """Seconds for which the path may be used after the last reception, or after this event; None for ever."""
    ingress: tuple[IPv6Network, ...] = ()
    """Inner sources refused although within `prefix`."""
    local: IPv6Network = EVERYWHERE
    """The inner addresses on this side of the path."""
    local_except: tuple[IPv6Network, ...] = ()
    """Inner addresses within `local` that are not on this side. Packets from and to them go to the Tunnel."""
    local_also: tuple[IPv6Network, ...] = ()
    """Further inner addresses on this side."""
    watch_echo: bool = False
    """True if incoming ICMPv6 echo replies go to the Tunnel, because it sends echo requests of its own."""
    tos: OuterTos = _TOS_ZERO
    """On protocol 41: the outer TOS octet of what is sent. Received ECN marks are always honoured (RFC 6040)."""


@dataclass(frozen=True, slots=True)
class PathDown:
    """The path of exactly this prefix is gone."""

    prefix: IPv6Network


@dataclass(frozen=True, slots=True)
class Notice:
    """Progress, or a change that is worth a line to the user."""

    code: str
    """Stable, for scripts and tests: `<transport type>.<word>`."""
    text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The answer to `stop`: nothing more will come."""


Event = Up | Down | PeerSilent | PathUp | PathDown | Notice | Stopped | Effect | Cancel
