"""What a broker wants of its host: the server's address, routes into the tunnel, and neighbours to answer for.

With `prefix: on-link` no router sends anything to this host: clients get addresses out of the /64 of its own link, and this
host answers neighbour solicitations for each client that has a tunnel.
"""

from ipaddress import IPv6Interface

from tunnelmgr.api.events import Up
from tunnelmgr.api.hostconfig import HostConfig, ProxiedNeighbour
from tunnelmgr.api.network import Network
from tunnelmgr.api.outbox import Outbox
from tunnelmgr_tsp.broker import report as broker_report
from tunnelmgr_tsp.broker.dialogue import Policy
from tunnelmgr_tsp.broker.grants import Grants
from tunnelmgr_tsp.broker.plan import link_around
from tunnelmgr_tsp.broker.settings import ON_LINK, Exit
from tunnelmgr_tsp.constants import HOST_INTERVAL, MTU_UDP


class HostWish:
    """Says `Up` when the wish changes, at most once in HOST_INTERVAL: each is work for the host."""

    def __init__(self, policy: Policy, grants: Grants, outbox: Outbox) -> None:
        self._policy = policy
        self._grants = grants
        self._outbox = outbox
        self._is_on_link = policy.settings.prefix == ON_LINK
        self._interface: str | None = None
        self._told: HostConfig | None = None
        self._generation = -1
        """Of the tunnels, as it was told."""
        self._free_at = 0.0
        """When the next may be told."""
        self.tell_at: float | None = None
        """When `tell` is to be called again, if it is."""

    def locate(self, network: Network) -> bool:
        """Find our own link; return True if addresses can be given. Tunnels of a link that was left are void."""
        if not self._is_on_link:
            return True
        if network.native_source is None or network.native_interface is None:
            return False
        plan = self._policy.settings.plan(link_around(network.native_source))
        if plan != self._policy.plan:
            self._grants.tunnels.clear()
            self._policy.plan = plan
        self._generation = -1
        self._interface = network.native_interface
        return True

    def begin(self) -> None:
        """Tell the wish next time, even unchanged: the core has undone it since `Down`."""
        self._told, self._generation = None, -1

    def tell(self, now: float, sessions: int) -> None:
        """Tell the wish if it is another one, at once or when the time has come."""
        generation = self._grants.tunnels.generation if self._is_on_link else 0
        self.tell_at = None
        if generation == self._generation:
            return
        if now < self._free_at:
            self.tell_at = self._free_at
            return
        self._generation = generation
        config = self._config()
        if config != self._told:
            self._told, self._free_at = config, now + HOST_INTERVAL
            facts = broker_report.facts(self._policy, self._grants, sessions)
            self._outbox.say(Up(config, {name: str(fact) for name, fact in facts.items() if isinstance(fact, str)}))

    def _config(self) -> HostConfig:
        plan = self._policy.plan
        return HostConfig(
            addresses=(IPv6Interface(plan.server),),
            routes=plan.routed,
            mtu=MTU_UDP,
            listening=True,
            forwarding=True,
            proxied=self._proxied(),
            translate=plan.routed if self._policy.settings.exit is Exit.NAT66 else (),
        )

    def _proxied(self) -> tuple[ProxiedNeighbour, ...]:
        if self._interface is None:
            return ()
        addresses = sorted(self._grants.tunnels.addresses())
        return tuple(ProxiedNeighbour(self._interface, address) for address in addresses)
