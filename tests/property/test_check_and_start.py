"""What `check` calls valid starts: whatever the file says, its methods make their Tunnels, and these begin."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunnelmgr.api.events import Down
from tunnelmgr.api.network import DefaultRoute, LocalAddress, Network
from tunnelmgr.cli.commands.up import rehearse
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.problem import ProfileError
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.host.surroundings import Surroundings

HERE = IPv4Address("198.51.100.1")
NETWORK = Network(
    (LocalAddress("wan0", IPv4Interface(f"{HERE}/24")),), DefaultRoute("wan0", IPv4Address("198.51.100.254")), HERE
)

NAMES = st.sampled_from(
    [
        "teredo.example.net",
        "192.0.2.1",
        "",
        "http://a.example/",
        "a.example:3544",
        "2001:db8::1",
        "1.2.3",
        "a b",
        "a..b",
        "10.0.0.1",
    ]
)
PREFIXES = st.sampled_from(
    ["2001:db8:5::/48", "2001:db8::/32", "::/0", "fd00::/8", "2001:db8::1/64", "fe80::/10", "2001:db8:9::/64"]
)
ADDRESSES = st.sampled_from(["192.0.2.1", "203.0.113.7", "10.0.0.4", "0.0.0.1", "224.0.0.1", "198.51.100.1"])
MTUS = st.sampled_from(["auto", 1280, 1400, 1480, 9000, 70000])


SHARES = st.sampled_from(["prefix", "nat66"])
Keys = Mapping[str, st.SearchStrategy[object]]


def some_of(keys: Keys) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=dict(keys))


def of(
    kind: str, keys: Mapping[str, st.SearchStrategy[object]], **needed: st.SearchStrategy[object]
) -> st.SearchStrategy[object]:
    rest = some_of(keys)
    return st.builds(lambda most, some: {"type": kind, **most, **some}, st.fixed_dictionaries(needed), rest)


METHODS = st.one_of(
    st.none(),
    of("teredo", {"mtu": MTUS, "secondary": ADDRESSES, "bind": ADDRESSES, "strict": st.booleans()}, server=NAMES),
    of("teredo", {"relay": st.booleans(), "exit": st.sampled_from(["nat66", "native"])}, role=st.just("server"),
       addresses=st.lists(ADDRESSES, max_size=3)),
    of("teredo", {"serves": st.sampled_from(["host", "everyone"]), "port": st.integers(-1, 70000)}, role=st.just("relay")),
    of("tsp", {"prefix_length": st.integers(0, 70), "name_servers": st.lists(NAMES, max_size=2), "keepalive": st.just(30)},
       broker=NAMES),
    of("tsp", {"link": PREFIXES, "delegated_length": st.integers(10, 70), "redirect": st.lists(NAMES, max_size=2)},
       role=st.just("broker"), address=ADDRESSES, prefix=PREFIXES),
    of("6in4", {"prefixes": st.lists(PREFIXES, max_size=2), "routes": st.lists(PREFIXES, max_size=2), "mtu": MTUS},
       remote=ADDRESSES, address=st.sampled_from(["2001:db8:41::2/64", "2001:db8:41::2/127", "fe80::1/64"])),
    of("6to4", {"relay": ADDRESSES, "local": ADDRESSES, "mtu": MTUS}),
    of("6rd", {"mask_length": st.integers(-1, 33), "prefix": PREFIXES, "border_relay": ADDRESSES, "learn": st.just("dhcp")}),
    of("6rd", {"customers": st.sampled_from(["203.0.113.0/24", "203.0.113.7/24"])}, role=st.just("border-relay"),
       local=ADDRESSES, prefix=PREFIXES),
)  # fmt: skip
PROFILES = st.builds(
    lambda methods, rest: {**methods, **rest},
    st.one_of(METHODS.map(lambda one: {"method": one}), st.lists(METHODS, max_size=3).map(lambda some: {"methods": some})),
    some_of(
        {
            "network": some_of({"mtu": MTUS, "probe": st.just(["2001:db8:6::1"])}),
            "lan": some_of(
                {"interfaces": st.sampled_from([["lan0"], ["lo"], []]), "share": st.sampled_from(["prefix", "nat66"])}
            ),
            "detect": some_of({"stun": st.lists(NAMES, max_size=2)}),
        }
    ),
)


@pytest.fixture(scope="module")
def plugins() -> PluginRegistry:
    return PluginRegistry.from_environment()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(PROFILES)
def test_what_check_calls_valid_starts(plugins: PluginRegistry, tmp_path: Path, written: dict[str, object]) -> None:
    path = tmp_path / "drawn.yaml"
    path.write_text(yaml.safe_dump(written))
    try:
        profile = load_profile(path, plugins)
    except ProfileError:
        return
    lines = rehearse(profile, Surroundings(links={"lan0": 1500}, network=NETWORK), Runtime(tmp_path, tmp_path))
    assert not any("gets no prefix" in line for line in lines if len(profile.methods) == 1)
    for method in profile.methods:
        tunnel = method.transport.tunnel(Random(1))
        tunnel.start(0.0, NETWORK, {})
        for now in (0.1, 0.5, 1.0):
            tunnel.handle_timeout(now)
        assert not [event for event in tunnel.outbox.drain_events() if isinstance(event, Down) and event.permanent]
        tunnel.stop(1.0)
