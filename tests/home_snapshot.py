"""The state of a profile that is up, for tests that need one to start from."""

from tunnelmgr.api.status import PeerStatus
from tunnelmgr.core.running.snapshot import LanStatus, OuterSocket, Snapshot, State, Traffic

SNAPSHOT = Snapshot(
    name="home",
    file="/etc/tunnelmgr/profiles/home.yaml",
    pid=4711,
    state=State.UP,
    reason="",
    hint="",
    method="teredo",
    role="client",
    device="tm-home",
    since=12.5,
    addresses=("2001:0:c000:201::1",),
    mtu=1280,
    facts={"server": "192.0.2.1", "nat": None},
    peers=(PeerStatus("2001:db8::1", None, "relay", 1.0),),
    peers_total=1,
    traffic=Traffic(1, 2, 3, 4),
    sockets=(OuterSocket("udp", "192.0.2.9", 51631), OuterSocket("raw41", "192.0.2.9", 0, "192.0.2.1")),
    lan=(LanStatus("br-lan", "2001:db8:5::/64", advertised=True),),
)
