"""What other firewalls of this host drop of what one tunnel needs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tunnelmgr.api.hostconfig import HostConfig
from tunnelmgr.core.driving.traffic import OuterSocket
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.host.interface import Host
from tunnelmgr.host.passage import Cut, Passage

_WEB: Final = {"l4proto": "tcp", "dport": "443", "state": "new"}
"""A packet that everybody sends."""


class Obstacles:
    """Looks for them, and remembers what was found last."""

    def __init__(self, profile: Profile, host: Host) -> None:
        self._profile = profile
        self._host = host
        self.found: tuple[Cut, ...] = ()

    async def look(self, config: HostConfig | None, sockets: Iterable[OuterSocket]) -> None:
        """Look for what is in the way of a tunnel; without `config` it is not up, and its far end may be out of reach."""
        route = self._host.surroundings().network.default_route
        uplink = route.interface if route else ""
        needed = passages(self._profile, config, sockets, uplink) if config else outer_passages(sockets, uplink)
        self.found = await self._host.cuts(needed)

    @property
    def first(self) -> Cut | None:
        """The first that hits this host itself."""
        return next(self.own, None)

    @property
    def own(self) -> Iterator[Cut]:
        """What hits this host itself. A LAN is told of what hits it."""
        lan = set(self._profile.lan.interfaces)
        return (cut for cut in self.found if not lan & set(cut.passage.facts.values()))


def passages(profile: Profile, config: HostConfig, sockets: Iterable[OuterSocket], uplink: str) -> tuple[Passage, ...]:
    """Return what must get through for the tunnel to be of use. Pure."""
    device = profile.device
    into, out_of = {"oifname": device, **_WEB}, {"iifname": device, "l4proto": "tcp", "state": "established"}
    found = [
        Passage("what this host sends into the tunnel", "output", into),
        Passage("answers out of the tunnel", "input", out_of),
    ]
    for interface in profile.lan.interfaces:
        found.append(Passage(f"what the LAN sends by {interface}", "forward", {"iifname": interface, **into}))
        found.append(Passage(f"answers to the LAN by {interface}", "forward", {"oifname": interface, **out_of}))
    if config.forwarding:
        found.append(Passage("what clients send through this host", "forward", {"iifname": device, **_WEB}))
    if config.listening:
        pinged = {"iifname": device, "l4proto": "ipv6-icmp", "state": "new"}
        found.append(Passage("the pings by which clients prove their tunnels", "input", pinged))
        found += [Passage(f"what clients send to {_listens(one)}", "input", _outer(one, uplink), "ip") for one in sockets]
    return tuple(found)


def outer_passages(sockets: Iterable[OuterSocket], uplink: str) -> tuple[Passage, ...]:
    """Return what must get through for a far end to be heard. Pure."""
    found = []
    for one in sockets:
        facts = _outer(one, uplink)
        sent = {"oifname": uplink, "l4proto": facts["l4proto"], "state": "new"}
        found.append(Passage(f"what this host sends from {_listens(one)}", "output", sent, "ip"))
        answers = {**facts, "state": "established"}
        found.append(Passage(f"answers to {_listens(one)}", "input", answers, "ip"))
    return tuple(found)


def _listens(socket: OuterSocket) -> str:
    return f"UDP port {socket.port}" if socket.port else "protocol 41"


def _outer(socket: OuterSocket, uplink: str) -> Mapping[str, str]:
    kind = {"l4proto": "udp", "dport": str(socket.port)} if socket.port else {"l4proto": "ipv6"}
    return {"iifname": uplink, **kind, "state": "new"}
