"""What `check` says of conditions against how they are judged: on any network, for any two of them."""

from ipaddress import IPv4Address

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.scripted_tunnel import ScriptedTransport, ScriptedTunnel
from tunnelmgr.api.network import DefaultRoute, Network
from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.core.choosing.choice import judge
from tunnelmgr.core.profiles.profile import Method
from tunnelmgr.core.profiles.unreachable import Written, unreachable
from tunnelmgr.core.profiles.when import When, WhenSettings
from tunnelmgr.core.profiles.yamlfile import MappingNode, Span, plain, read_yaml

INTERFACES = ("eth0", "eth1", "wlan0", "w?", "w*an0")
PATTERNS = ("*", "eth*", "eth?", "eth0", "w*", "w?an0", "w*an0", "[ew]*", "wlan0")


def words(known: list[str]) -> st.SearchStrategy[list[str] | None]:
    return st.none() | st.lists(st.sampled_from([*known, *(f"not {word}" for word in known)]), min_size=1, max_size=3)


conditions = st.builds(
    lambda **written: WhenSettings.model_validate(
        {key: value for key, value in written.items() if value is not None}
    ).resolve(),
    nat=words(["any", *(kind.value for kind in NatKind)]),
    public_ipv4=st.none() | st.booleans(),
    native_ipv6=st.none() | st.booleans(),
    interface=words(list(PATTERNS)),
)
reports = st.builds(
    lambda interface, public, nat, native: NetworkReport(
        Network(default_route=DefaultRoute(interface, None)),
        IPv4Address("203.0.113.1") if public else None,
        nat,
        native_ipv6=native,
    ),
    st.sampled_from(INTERFACES),
    st.booleans(),
    st.sampled_from(NatKind),
    st.booleans(),
)


def holds(when: When, report: NetworkReport) -> bool:
    return judge(Method("scripted", "client", ScriptedTransport(ScriptedTunnel()), when, 1), report).suits is True


def written(line: int, when: When) -> Written:
    return Written(Span(line, 1), "scripted", "client", {}, when)


@given(conditions, conditions, reports)
def test_what_is_said_to_be_unreachable_never_is(first: When, second: When, report: NetworkReport) -> None:
    faults = {fault.place.line: fault.message for fault in unreachable([written(1, first), written(2, second)])}
    if "never tried" in faults.get(1, ""):
        assert not holds(first, report)
    if "never tried" in faults.get(2, ""):
        assert not holds(second, report)
    if "never reached" in faults.get(2, ""):
        assert holds(first, report) or not holds(second, report)


@given(conditions, reports)
def test_a_condition_means_what_it_is_told_to_be(when: When, report: NetworkReport) -> None:
    assume(when.nat is None or when.nat)  # no words say "none of them"
    root = read_yaml(f"when: {when}\n").root
    assert isinstance(root, MappingNode)
    [(_, told)] = root.items
    assert isinstance(told, MappingNode)
    again = WhenSettings.model_validate(plain(told)).resolve()
    assert holds(again, report) == holds(when, report)
    assert str(again) == str(when)
