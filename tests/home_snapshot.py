"""The state of a profile that is up, for tests that need one to start from."""

from dataclasses import replace
from ipaddress import IPv6Network
from typing import Any

from tunnelmgr.api.status import PeerStatus, TunnelStatus
from tunnelmgr.core.condition import UP
from tunnelmgr.core.driving.traffic import OuterSocket, Traffic
from tunnelmgr.core.running.lan_shares import LanStatus
from tunnelmgr.core.running.snapshot import Running, Snapshot

RUNNING = Running(
    device="tm-home",
    tunnel=TunnelStatus(
        "", {"server": "192.0.2.1", "nat": None}, (PeerStatus("2001:db8::1", None, "relay", 1.0),), peers_total=1
    ),
    addresses=("2001:0:c000:201::1",),
    mtu=1280,
    traffic=Traffic(1, 2, 3, 4),
    sockets=(OuterSocket("udp", "192.0.2.9", 51631), OuterSocket("raw41", "192.0.2.9", 0, "192.0.2.1")),
    lan=(LanStatus("br-lan", IPv6Network("2001:db8:5::/64"), advertised=True),),
)
SNAPSHOT = Snapshot(
    name="home",
    file="/etc/tunnelmgr/profiles/home.yaml",
    pid=4711,
    condition=UP,
    since=12.5,
    method="teredo",
    role="client",
    running=RUNNING,
)


def with_running(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """Return a snapshot whose run says something else; `facts`, `peers` and `peers_total` are the transport's own."""
    assert snapshot.running
    tunnel = {name: changes.pop(name) for name in ("facts", "peers", "peers_total") if name in changes}
    running = replace(snapshot.running, **changes)
    return replace(snapshot, running=replace(running, tunnel=replace(running.tunnel, **tunnel)))
