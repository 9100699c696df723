"""STUN servers and a router that lie about where we are."""

import json

from tests.hostile import router
from tests.hostile.ports import BEHIND_LIES, HOSTILE
from tests.netns.hostile.home import HostileHome

PROFILE = """\
name: home
method: {type: teredo, server: 192.0.2.36}
detect: {stun: ["%s"]}
"""


def test_only_the_truth_of_a_stun_server_and_a_router_is_found(home: HostileHome) -> None:
    profile = home.tunnelmgr.write_profile("home", PROFILE % BEHIND_LIES)
    with home.unharmed():
        found = json.loads(home.run("detect", profile, "--json").stdout)["data"]["findings"]
    assert found["nat"]["mapped"].startswith(f"{router.OUTSIDE}:")
    assert [found["router"][name] for name in ("nat_pmp", "pcp", "upnp", "external")] == [
        True,
        True,
        True,
        str(router.OUTSIDE),
    ]


def test_lies_about_where_we_are_are_not_believed(home: HostileHome) -> None:
    profile = home.tunnelmgr.write_profile("home", PROFILE % HOSTILE)
    with home.unharmed():
        for _ in range(4):
            said = home.run("detect", profile, "--explain").stdout
            assert "sees us as 127.0.0.1" not in said.replace("claims to see", "")
