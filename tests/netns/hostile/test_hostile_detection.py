"""STUN servers and a router that lie about where we are."""

import json
from ipaddress import IPv4Address

from tests.hostile import router
from tests.hostile.ports import BEHIND_LIES, HOSTILE
from tests.netns.hostile.home import HostileHome
from tunnelmgr.api.addresses import is_never_a_host, is_public

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
        home.run("detect", profile, "--explain")
        for _ in range(4):
            found = json.loads(home.run("detect", profile, "--json").stdout)["data"]["findings"]
            mapped, external = found["nat"]["mapped"], found["router"]["external"]
            assert mapped is None or is_public(IPv4Address(mapped.partition(":")[0])), found
            assert external is None or not is_never_a_host(IPv4Address(external)), found
