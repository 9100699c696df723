"""What a broker tells of itself: the facts of `status`, and the rows of `tunnelmgr broker`."""

from collections.abc import Mapping

from tunnelmgr.api.status import Fact
from tunnelmgr_tsp.broker.dialogue import Policy
from tunnelmgr_tsp.broker.grants import Grants


def facts(policy: Policy, grants: Grants, sessions: int) -> dict[str, Fact]:
    """Return the facts of `status`."""
    settings, plan = policy.settings, policy.plan
    return {
        "broker": f"{settings.address}:{settings.port}",
        "tunnels": ", ".join(sorted(one.value for one in policy.tunnels)),
        "link": str(plan.link),
        "prefixes": f"/{plan.delegated_length} of {plan.pool}" if plan.delegated_length else None,
        "users": len(policy.users.names),
        "anonymous": settings.anonymous,
        "exit": settings.exit.value,
        "sessions": sessions,
        "leases": len(grants.leases),
        "encrypted": False,
    }


def user_rows(policy: Policy, grants: Grants) -> list[Mapping[str, Fact]]:
    """Return a row for each account."""
    return [{"user": user, **_lease_facts(policy, grants, f"user {user}")} for user in policy.users.names]


def lease_rows(policy: Policy, grants: Grants) -> list[Mapping[str, Fact]]:
    """Return a row for each lease."""
    return [
        {"owner": lease.owner, "anonymous": lease.anonymous, **_lease_facts(policy, grants, lease.owner)}
        for lease in grants.leases.values()
    ]


def _lease_facts(policy: Policy, grants: Grants, owner: str) -> Mapping[str, Fact]:
    plan, lease, tunnel = policy.plan, grants.leases.get(owner), grants.tunnels.of(owner)
    slot, prefix_slot = (lease.slot, lease.prefix_slot) if lease is not None else (None, None)
    return {
        "address": str(plan.client(slot)) if slot is not None else None,
        "prefix": str(plan.prefix(prefix_slot)) if prefix_slot is not None else None,
        "tunnel": tunnel.type.value if tunnel is not None else None,
        "endpoint": str(tunnel.remote) if tunnel is not None else None,
    }
