"""Brokers and clients of the stories told on the simulated internet.

home (client) --- NAT --- backbone --- 192.0.2.1     broker   broker.example.net, 2001:db8:100::/40
                             |-------- 192.0.2.2     another, where a story needs it
                          IPv6 internet -- native host
"""

from ipaddress import IPv4Address, IPv6Network
from typing import Any

from tunnelmgr.api.events import Down, Up
from tunnelmgr.lab.simulated import Internet, SimulatedHost
from tunnelmgr.lab.simulated.internet import Behind
from tunnelmgr.lab.vocabulary import Link
from tunnelmgr_tsp.broker.leases import Leases
from tunnelmgr_tsp.broker.settings import TspBrokerSettings
from tunnelmgr_tsp.broker.users import account_line
from tunnelmgr_tsp.client.settings import TspClientSettings
from tunnelmgr_tsp.constants import KEEPALIVE_DEFAULT
from tunnelmgr_tsp.transport import Tsp

NAME = "broker.example.net"
BROKER = "192.0.2.1"
PREFIX = "2001:db8:100::/40"
SET_UP = 2.0  # seconds that suffice for a session on these links
REPLACED = 3 * KEEPALIVE_DEFAULT  # seconds that suffice to find a tunnel silent and to have another
ALICE: dict[str, Any] = {"user": "alice", "password": "wonder"}
USERS = f"{account_line('alice', 'tunnelmgr', 'wonder')}\n{account_line('bob', 'tunnelmgr', 'builder')}\n"


def broker_settings(**settings: Any) -> TspBrokerSettings:
    """Return the settings of a broker with two users, unless told otherwise."""
    written = {"address": BROKER, "prefix": PREFIX, "users": USERS, "leases": "sqlite://"}
    return TspBrokerSettings.model_validate(written | settings)


def add_broker(
    internet: Internet, name: str = "broker", leases: Leases | None = None, link: Link | None = None, **settings: Any
) -> SimulatedHost:
    """Add a broker, the gateway of its prefix. `leases` survive it."""
    chosen = broker_settings(**settings)
    plan = chosen.plan()
    service = leases or Leases("sqlite://", str(chosen.address), plan.slots, plan.prefix_slots)
    internet.name(NAME, *([] if chosen.address != IPv4Address(BROKER) else [BROKER]))
    return internet.add(
        Tsp("broker", chosen).tunnel,
        address=chosen.address,
        name=name,
        link=link or Link(),
        native_ipv6=True,
        gateway_of=[str(chosen.prefix)],
        services={"leases": service},
    )


def add_client(
    internet: Internet, behind: Behind = None, name: str = "home", link: Link | None = None, **settings: Any
) -> SimulatedHost:
    """Add a client of the broker."""
    chosen = TspClientSettings.model_validate({"broker": NAME} | settings)
    return internet.add(Tsp("client", chosen).tunnel, behind=behind, name=name, link=link or Link())


def leases(broker: SimulatedHost) -> list[dict[str, Any]]:
    """Return the rows of `tunnelmgr broker leases`."""
    rows = broker.command("leases")["leases"]
    assert isinstance(rows, list)
    return rows


def prefix_of(client: SimulatedHost) -> IPv6Network | None:
    """Return what was delegated to a client."""
    assert client.config is not None
    return client.config.delegated[0] if client.config.delegated else None


def carries(internet: Internet, client: SimulatedHost) -> bool:
    """Ping a native host a few times; true if every ping is answered."""
    internet.run(1)  # over TCP nothing tells the client when the broker has configured its end
    pings = [client.send_ping(to=internet.ipv6_host()) for _ in range(3)]
    internet.run(1)
    return all(ping.answered for ping in pings)


def ups(client: SimulatedHost) -> int:
    """Return how often a client said that its configuration changed."""
    return sum(isinstance(event, Up) for event in client.events)


def downs(client: SimulatedHost) -> list[Down]:
    """Return all failures told."""
    return [event for event in client.events if isinstance(event, Down)]
