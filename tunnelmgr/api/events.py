"""What a Tunnel says: drained by the pump after every input."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network

from tunnelmgr.api.effects import Cancel, Effect
from tunnelmgr.api.errors import ExitCode
from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.api.network import Endpoint

EVERYWHERE = IPv6Network("::/0")


@dataclass(frozen=True, slots=True)
class Up:
    """The tunnel is ready for packets, configured like this. Said again whenever the configuration changes."""

    config: HostConfig
    details: Mapping[str, str] = field(default_factory=dict)
    """Short facts for the user, in order of interest: {"server": "192.0.2.1", "nat": "port-restricted"}."""
    probe: tuple[IPv6Address, ...] = ()
    """Whom to ping to prove that packets flow; empty when the transport knows nobody."""


@dataclass(frozen=True, slots=True)
class Down:
    """The tunnel does not work: what `Up` configured goes away.

    Unless `permanent`, the Tunnel itself goes on trying and says `Up` again when it succeeds.
    """

    reason: str
    """Names the thing, the value seen: "no answer from 192.0.2.1:3544 (3 tries)"."""
    hint: str = ""
    """The next step, worded as an instruction."""
    code: ExitCode = ExitCode.NO_ANSWER
    permanent: bool = False


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
    """Seconds since the last reception (or since this event) during which the path may be used; None for ever."""
    ingress: tuple[IPv6Network, ...] = ()
    """Inner sources refused although within `prefix`."""
    local: IPv6Network = EVERYWHERE
    """The inner addresses on this side of the path."""
    local_except: tuple[IPv6Network, ...] = ()
    """Inner addresses that are not on this side although within `local`: the Tunnel judges packets from and to them."""


@dataclass(frozen=True, slots=True)
class PathDown:
    """The path of exactly this prefix is gone."""

    prefix: IPv6Network


@dataclass(frozen=True, slots=True)
class Notice:
    """Progress or news worth a line to the user."""

    code: str
    """Stable, for scripts and tests: `<transport type>.<word>`."""
    text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The answer to `stop`: nothing more will come."""


Event = Up | Down | PathUp | PathDown | Notice | Stopped | Effect | Cancel
