"""What `tunnelmgr detect` says of typical networks, word for word; the networks are simulated.

The texts are in `tests/data/detect`. `python -m tests.sim.test_detect_screen` writes them anew: read them aloud then.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import jsonschema
import pytest

from tests.sim.stun_server import StunServer
from tests.sim.test_detection import CONTROLLED, LAB, SLOW, STUN, detect
from tunnelmgr.api.network import Network
from tunnelmgr.cli import render
from tunnelmgr.cli.commands.detect import commented
from tunnelmgr.cli.commands.schema import schema_of
from tunnelmgr.cli.detect_screen import explained, screen
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.profile import Profile
from tunnelmgr.detect.advice import Advice
from tunnelmgr.detect.findings import Findings
from tunnelmgr.detect.plan import Plan, plan_for
from tunnelmgr.lab.simulated import Internet
from tunnelmgr.lab.simulated.internet import Behind
from tunnelmgr.lab.vocabulary import Link, Nat
from tunnelmgr_teredo.server.settings import ServerSettings
from tunnelmgr_teredo.transport import Teredo

TEXTS = Path(__file__).parents[1] / "data/detect"
ASKING = "detect: {stun: [192.0.2.5], ipv6: ['2001:db8:6::1']}\n"
HOME = f"name: home\nmethod: {{type: teredo, server: 192.0.2.1}}\n{ASKING}"
ALONE = "name: home\nmethod: {type: teredo, server: 192.0.2.1}\n"
TWO_SERVERS = """\
name: home
methods:
  - {type: teredo, server: 192.0.2.1, when: {nat: not symmetric, native_ipv6: false}}
  - {type: teredo, server: 192.0.2.65, when: {nat: symmetric}}
detect: {stun: [192.0.2.5], ipv6: ["2001:db8:6::1"]}
"""
ALL_METHODS = f"""\
name: home
methods:
  - {{type: 6in4, remote: 192.0.2.80, address: "2001:db8:41::2/64"}}
  - {{type: tsp, broker: 192.0.2.17, when: {{nat: symmetric}}}}
  - {{type: teredo, server: 192.0.2.1}}
{ASKING}"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A network, and what is asked there."""

    behind: Callable[[Internet], Behind]
    profile: str = HOME
    native_ipv6: bool = False
    silent_stun: bool = False
    lifetime: float | None = None
    text: Callable[[Advice], str] = screen


def kind(lab: LAB) -> Callable[[Internet], Behind]:
    return lambda _: lab


def nat(description: Nat) -> Callable[[Internet], Behind]:
    return lambda _: description


def carrier(lan: str, outer: LAB, inner: LAB | Nat) -> Callable[[Internet], Behind]:
    return lambda internet: internet.site(inner, behind=internet.site(outer, lan=lan), link=SLOW)


def reachable(internet: Internet) -> Behind:
    internet.ipv6_host("2001:db8:6::1", link=SLOW)
    return None


SCENES = {
    "public": Scene(kind(LAB.NONE)),
    "full-cone": Scene(kind(LAB.FULL_CONE)),
    "address-restricted": Scene(kind(LAB.ADDRESS_RESTRICTED)),
    "port-restricted": Scene(kind(LAB.PORT_RESTRICTED)),
    "port-restricted-explained": Scene(nat(CONTROLLED), TWO_SERVERS, text=explained),
    "symmetric": Scene(kind(LAB.SYMMETRIC), TWO_SERVERS),
    "double-nat": Scene(carrier("10.0.0.0/24", LAB.PORT_RESTRICTED, CONTROLLED)),
    "carrier-grade-nat": Scene(carrier("100.64.0.0/24", LAB.SYMMETRIC, LAB.FULL_CONE)),
    "address-of-100.64": Scene(lambda internet: internet.site(LAB.PORT_RESTRICTED, lan="100.64.0.0/24", link=SLOW)),
    "udp-blocked": Scene(kind(LAB.UDP_BLOCKED)),
    "protocol-41-blocked": Scene(nat(replace(CONTROLLED, passes_protocol41=False)), ALL_METHODS, text=explained),
    "stun-dead": Scene(kind(LAB.PORT_RESTRICTED), silent_stun=True, text=explained),
    "nobody-answers": Scene(kind(LAB.UDP_BLOCKED), ALONE, text=explained),
    "teredo-server-alone": Scene(kind(LAB.PORT_RESTRICTED), ALONE, text=explained),
    "ipv6-broken": Scene(kind(LAB.NONE), native_ipv6=True),
    "ipv6-works": Scene(reachable, native_ipv6=True),
    "small-path-mtu": Scene(lambda internet: internet.site(LAB.PORT_RESTRICTED, link=Link(mtu=1454)), text=explained),
    "mapping-lifetime": Scene(nat(Nat(mapping_timeout=65.0)), lifetime=100.0),
}


def network(*, silent_stun: bool) -> Internet:
    """A STUN server with two addresses, a Teredo server, and routers that answer."""
    internet = Internet(seed=1, icmp_errors=True)
    internet.add(StunServer(STUN, silent=silent_stun), address=STUN, name="stun")
    addresses = ("192.0.2.1", "192.0.2.2")
    server = Teredo("server", ServerSettings.model_validate({"addresses": addresses}))
    internet.add(server.tunnel, address=addresses, native_ipv6=True, name="teredo")
    return internet


def read(text: str, folder: Path) -> Profile:
    file = folder / "home.yaml"
    file.write_text(text)
    return load_profile(file, PluginRegistry.from_environment())


def detected(scene: Scene, folder: Path) -> Advice:
    internet, profile = network(silent_stun=scene.silent_stun), read(scene.profile, folder)
    plan = plan_for(profile, Random(1), scene.lifetime)
    within = 7 + (scene.lifetime or 0.0)
    found = detect(internet, scene.behind(internet), plan, native_ipv6=scene.native_ipv6, within=within)
    return Advice.of(found, profile)


@pytest.mark.parametrize("name", SCENES)
def test_the_screen_is_as_it_was_read_aloud(name: str, tmp_path: Path) -> None:
    scene = SCENES[name]
    assert scene.text(detected(scene, tmp_path)) + "\n" == (TEXTS / f"{name}.txt").read_text()


SOMEBODY_KEEPS_SILENT = {"udp-blocked", "protocol-41-blocked", "stun-dead", "nobody-answers", "ipv6-broken"}


@pytest.mark.parametrize("name", sorted(SCENES.keys() - {"mapping-lifetime"}))
def test_it_takes_three_seconds_where_everybody_answers_and_six_where_somebody_does_not(name: str, tmp_path: Path) -> None:
    assert detected(SCENES[name], tmp_path).findings.took < (6.0 if name in SOMEBODY_KEEPS_SILENT else 3.0)


def test_no_text_is_left_of_a_scene_that_is_gone() -> None:
    assert {path.stem for path in TEXTS.iterdir()} == {*SCENES, "without-a-profile"}


def test_without_a_profile_it_says_what_this_host_and_its_router_know() -> None:
    found = Advice.of(detect(network(silent_stun=False), CONTROLLED, Plan()), None)
    assert screen(found) + "\n" == (TEXTS / "without-a-profile.txt").read_text()


@pytest.mark.parametrize("name", SCENES)
def test_the_json_follows_its_schema(name: str, tmp_path: Path) -> None:
    told = json.loads(render.envelope("detect", detected(SCENES[name], tmp_path)))
    jsonschema.Draft202012Validator(schema_of("detect")).validate(told)
    assert told["data"]["findings"]["nat"].keys() >= {"kind", "mapping", "filtering", "candidates", "evidence"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("public", "none"),
        ("full-cone", "full-cone"),
        ("address-restricted", "address-restricted"),
        ("port-restricted", "port-restricted"),
        ("symmetric", "symmetric"),
        ("udp-blocked", "blocked"),
        ("teredo-server-alone", "port-restricted"),
    ],
)
def test_the_kind_in_json_is_one_of_the_words(name: str, kind: str, tmp_path: Path) -> None:
    assert json.loads(render.envelope("detect", detected(SCENES[name], tmp_path)))["data"]["findings"]["nat"]["kind"] == kind


def test_a_written_profile_is_the_same_profile_with_what_was_found_before_it(tmp_path: Path) -> None:
    text = commented(detected(SCENES["port-restricted"], tmp_path), HOME)
    assert text.endswith(f"\n\n{HOME}")
    assert "# home: teredo, server 192.0.2.1, suits this network\n" in text
    assert read(text, tmp_path).name == "home"


def _write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, scene in SCENES.items():
            (TEXTS / f"{name}.txt").write_text(scene.text(detected(scene, Path(folder))) + "\n")
    found = Advice.of(detect(network(silent_stun=False), CONTROLLED, Plan()), None)
    (TEXTS / "without-a-profile.txt").write_text(screen(found) + "\n")


if __name__ == "__main__":
    _write()


def test_a_kernel_without_ipv6_is_said_to_be_one() -> None:
    advice = Advice.of(Findings(Network(kernel_has_ipv6=False)), None)
    assert "This kernel runs without IPv6, and no tunnel can work here: start it without ipv6.disable=1." in screen(advice)
