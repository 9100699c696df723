"""`tunnelmgr up` behind NATs of every kind: Debian's Miredo is server and relay, nftables is the NAT.

home (Host) --- NAT of the kind --- backbone --- 192.0.2.1, .2   miredo-server
                                       |-------- 198.51.100.1    Miredo's relay
                                       `-------- 2001:db8:6::1   native, no IPv4 at all
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, ping
from tests.peers.teredo_internet import teredo_internet
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

pytestmark = pytest.mark.usefixtures("miredo_programs")

# The two addresses of one server show how a NAT maps and whether it filters, but not by what: of the kinds that are alike in
# this the stricter is named, and `nat_candidates` lists both.
ALIKE = "address-restricted, port-restricted"
NAMED = {
    NatKind.NONE: ("none", None),
    NatKind.FULL_CONE: ("full-cone", None),
    NatKind.ADDRESS_RESTRICTED: ("port-restricted", ALIKE),
    NatKind.PORT_RESTRICTED: ("port-restricted", ALIKE),
    NatKind.PORT_RESTRICTED_OPEN_BOX: ("port-restricted", ALIKE),
    NatKind.SYMMETRIC: ("symmetric", None),
    NatKind.SYMMETRIC_SEQUENTIAL: ("symmetric", None),
}
PINGS = 50
NAMED_WITHIN = 36.0  # seconds; three questions of four seconds each, three times


@pytest.mark.requirement("T-CL-018", "T-CL-019", "T-CL-021", "T-RX-005", "T-RX-008", "T-RX-011", "T-TX-003")
@pytest.mark.parametrize("kind", NAMED, ids=lambda kind: kind.value)
def test_behind_every_nat_an_ipv6_only_host_answers_every_ping_and_the_nat_is_named(
    kind: NatKind, lab_name: Callable[[], str], tmp_path: Path
) -> None:
    name, candidates = NAMED[kind]
    with teredo_internet(lab_name(), tmp_path, nat=kind) as internet:
        home = Tunnelmgr(internet.home.inside, tmp_path)
        story = home.up()
        # Whether it filters is looked at when the address is in.
        words = {NatKind.NONE: "no NAT", NatKind.FULL_CONE: "NAT port-restricted"}.get(kind, f"NAT {name}")
        assert story[1].startswith(f"home: {words}, you appear as {internet.home.address}:")
        assert ping(home.host, internet.native.ipv6, PINGS) == PINGS

        def named() -> tuple[str, str | None]:
            facts = home.tunnel()["facts"]
            return facts["nat"], facts["nat_candidates"]

        wait_for("the look at how the NAT filters", lambda: named() == (name, candidates), timeout=NAMED_WITHIN)
        home.run("down", "home")
        assert home.traces() == []


@pytest.mark.requirement("T-CL-007", "T-CL-022")
def test_where_no_udp_passes_up_says_so_with_exit_code_75(lab_name: Callable[[], str], tmp_path: Path) -> None:
    with teredo_internet(lab_name(), tmp_path, nat=NatKind.UDP_BLOCKED) as internet:
        home = Tunnelmgr(internet.home.inside, tmp_path)
        done = home.run("up", home.profile, "--timeout", "30", check=False)
        assert done.returncode == 75
        assert "no answer from 192.0.2.1:3544 (3 tries)" in done.stderr
        assert "check that UDP may leave to port 3544" in done.stderr
        assert "everything was undone" in done.stderr
        assert home.traces() == []
