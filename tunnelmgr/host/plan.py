"""Finds the steps that lead from what is to what shall be. Each step has an inverse and a text. Pure.

First come the firewall and the device, then addresses, routes, rules and neighbours, and last the LAN and the resolvers.
What is not wanted any more is removed after that, in the reverse order: a new address is in before the old one is out.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network

from tunnelmgr.host.constants import (
    BARRIER_METRIC,
    DEVICE_SYSCTLS,
    FORWARDING,
    MAIN_TABLE,
    ROUTE_METRIC,
    RULE_PRIORITY,
    TCP_IPV6_HEADERS,
)
from tunnelmgr.host.desired import Desired, Forwarding, Inbound
from tunnelmgr.host.device_name import route_table
from tunnelmgr.host.firewall import exit_rules, inbound_rules, lan_rules
from tunnelmgr.host.guards import let_in, no_errors_about, outer_header
from tunnelmgr.host.items import (
    ORDER,
    Address,
    Fate,
    Item,
    KernelTunnel,
    LinkUp,
    Mtu,
    NeighbourProxy,
    Purpose,
    Resolvers,
    Route,
    Rule,
    Sysctl,
    Table,
    Unreachable,
)
from tunnelmgr.host.resolvers import ResolverHelper


@dataclass(frozen=True, slots=True)
class Step:
    """One change, taken as a whole or not at all: `after` takes the place of `before`. One of them may be nothing."""

    before: Item | None
    after: Item | None

    @property
    def item(self) -> Item:
        """The thing that comes, or else the one that goes."""
        item = self.after or self.before
        if item is None:
            raise ValueError("a step of nothing")
        return item

    def inverse(self) -> "Step":
        """Return the step that takes this one back."""
        return Step(self.after, self.before)

    def lines(self) -> list[str]:
        """Return the change as a user would type it."""
        if self.after:
            return self.after.change_lines(self.before) if self.before else self.after.add_lines()
        return self.before.remove_lines() if self.before else []


def plan(
    desired: Desired, actual: Collection[Item], helper: ResolverHelper | None = None, ours: Collection[Item] = ()
) -> list[Step]:
    """Return the steps from `actual` to `desired`; none when nothing is to be done. Resolvers take a helper.

    `ours` is what is on this machine because of this profile.
    """
    return changes(wanted(desired, actual, helper, ours), actual)


def changes(wanted: Sequence[Item], actual: Collection[Item]) -> list[Step]:
    """Return the steps from what is to what is wanted."""
    existing = {item.key: item for item in actual}
    additions = [step for item in wanted for step in _change(existing.get(item.key), item)]
    kept = {item.key for item in wanted}
    removals = [Step(item, None) for item in _in_order(actual) if item.fate is Fate.REMOVED and item.key not in kept]
    return additions + removals[::-1]


def dry_run(desired: Desired, helper: ResolverHelper | None = None) -> list[str]:
    """Return what `up --dry-run` prints: the lines that make the device on a machine that has nothing of it."""
    steps = plan(desired, (), helper)
    lines = [f"ip tuntap add dev {desired.device} mode tun", *(line for step in steps for line in step.lines())]
    return [f"[#] {line}" for line in lines]


def _change(before: Item | None, after: Item) -> list[Step]:
    if before == after:
        return []
    if before and not after.can_replace(before):
        return [Step(before, None), Step(None, after)]
    return [Step(before, after)]


def net(steps: Iterable[Step]) -> list[Step]:
    """Return the shortest steps with the same effect as `steps`, each thing in the place of its first change."""
    changes: dict[object, Step] = {}
    for step in steps:
        key = step.item.key
        earlier = changes.get(key)
        changes[key] = Step(earlier.before, step.after) if earlier else step
    return [step for step in changes.values() if step.before != step.after]


def taken_back(changes: Sequence[Step]) -> list[Step]:
    """Return the steps that take back the net `changes`, the last one first. Things of the device are left to vanish."""
    return [step for change in reversed(changes) if change.after and (step := _undoing(change.after, change.before))]


def _undoing(item: Item, before: Item | None) -> Step | None:
    match item.fate:
        case Fate.REMOVED:
            return Step(item, None)
        case Fate.RESTORED:
            return Step(item, before) if before else None
        case Fate.LEFT:
            return None


def _in_order(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (ORDER.index(type(item)), str(item)))


def wanted(
    desired: Desired, actual: Collection[Item], helper: ResolverHelper | None = None, ours: Collection[Item] = ()
) -> list[Item]:
    """Return all that shall be there, in the order in which it comes."""
    device = desired.device
    return [
        *_tables(desired),
        *_kernel_tunnel(desired),
        *(Sysctl(f"net/ipv6/conf/{device}/{name}", value) for name, value in DEVICE_SYSCTLS.items()),
        Mtu(device, desired.mtu),
        LinkUp(device),
        *(Address(device, address) for address in desired.addresses),
        *_forwarding(desired, actual, ours),
        *_sources(desired),
        *(Route(device, prefix, metric) for prefix, metric in desired.destinations),
        *_neighbours(desired),
        *lan_items(desired),
        *_resolvers(desired, helper),
    ]


def lan_items(desired: Desired) -> list[Item]:
    """Return what is wanted of the LAN, and of the prefixes it has."""
    advertisement = desired.advertisement
    rules = lan_rules(desired.device, desired.mtu - TCP_IPV6_HEADERS, desired.hidden)
    return [
        *([Table.of(desired.device, Purpose.LAN, rules)] if desired.lan else []),
        # radvd sets it to what it advertises, and would leave it so.
        *(Sysctl(f"net/ipv6/conf/{link.interface}/mtu", str(link.mtu)) for link in desired.lan),
        *map(Unreachable, desired.delegated),
        *(Address(link.interface, link.address) for link in desired.lan),
        *([advertisement] if advertisement else []),
    ]


def _tables(desired: Desired) -> list[Item]:
    """Return the tables of the device itself."""
    device, kernel = desired.device, desired.kernel
    rules: dict[Purpose, list[str]] = {}
    if desired.inbound is Inbound.ESTABLISHED:
        hooks = ("input",) if desired.forwarding is Forwarding.OPEN else ("input", "forward")
        rules[Purpose.INBOUND] = inbound_rules(device, hooks)
    if desired.translate:
        rules[Purpose.EXIT] = exit_rules(device, desired.translate)
    rules[Purpose.ERRORS] = no_errors_about(desired.raw41)
    if kernel is not None:
        clear_ecn, clear_df = not kernel.copies_ecn, not kernel.dont_fragment
        rules[Purpose.OUTER] = outer_header(kernel.local, kernel.remote, clear_ecn=clear_ecn, clear_df=clear_df)
        rules[Purpose.PATHS] = let_in(device, kernel.paths)
    return [Table.of(device, purpose, lines) for purpose, lines in rules.items() if lines]


def _kernel_tunnel(desired: Desired) -> list[Item]:
    kernel = desired.kernel
    if kernel is None:
        return []
    return [KernelTunnel(desired.device, kernel.local, kernel.remote, kernel.ttl, kernel.tos)]


def _forwarding(desired: Desired, actual: Collection[Item], ours: Collection[Item]) -> list[Item]:
    """Switch forwarding on without losing native IPv6: a forwarding kernel ignores router advertisements on interfaces
    whose accept_ra is 1, and heeds them at 2 (ip-sysctl.rst). So it must stay, as long as the switch is ours."""
    if desired.forwarding is Forwarding.OFF:
        return []
    switch = Sysctl(FORWARDING, "1")
    if switch in actual and switch not in ours:
        return [switch]
    # On its LANs this host is the router, and heeds no other.
    deaf = {f"net/ipv6/conf/{name}/accept_ra" for name in (desired.device, *(link.interface for link in desired.lan))}
    heeding = {
        item.path
        for item in actual
        if isinstance(item, Sysctl) and item.path.endswith("/accept_ra") and item.value in {"1", "2"}
    }
    return [*(Sysctl(path, "2") for path in sorted(heeding - deaf)), switch]


def _neighbours(desired: Desired) -> list[Item]:
    # The switch of the one interface is enough for answering; the kernel wants forwarding as well (ip-sysctl.rst).
    switches = {Sysctl(f"net/ipv6/conf/{interface}/proxy_ndp", "1") for interface, _ in desired.proxied}
    proxies = [NeighbourProxy(desired.device, interface, address) for interface, address in desired.proxied]
    return [*sorted(switches, key=str), *proxies]


def _resolvers(desired: Desired, helper: ResolverHelper | None) -> list[Item]:
    return [Resolvers(desired.device, helper, desired.resolvers)] if desired.resolvers and helper else []


def _sources(desired: Desired) -> list[Item]:
    if not desired.sources:
        return []
    everywhere, table = IPv6Network("::/0"), route_table(desired.device)
    items: list[Item] = [Route(desired.device, everywhere, ROUTE_METRIC, table)]
    if not desired.passes:
        # A socket that asks for no source gets any address of this host, ours for want of others, and then the way that
        # leads from there. One bound to the device passes over routes that do not lead into it (rt6_score_route).
        items.append(Unreachable(everywhere, BARRIER_METRIC, table))
    for source in desired.sources:
        # More specific routes of the main table first: the way to a LAN that holds a delegated prefix.
        items.append(Rule(source, MAIN_TABLE, RULE_PRIORITY, suppress_prefixlength=0))
        items.append(Rule(source, table, RULE_PRIORITY + 1))
    return items
