"""Settings, judgement of a network, and the hook."""

from random import Random

import pytest
from pydantic import ValidationError

from tunnelmgr.api.report import NatKind, NetworkReport
from tunnelmgr.api.transport import Fit
from tunnelmgr_fou.plugin import tunnelmgr_register_transports
from tunnelmgr_fou.settings import FouSettings
from tunnelmgr_fou.transport import Fou

WRITTEN = {"peer": "198.51.100.2", "address": "2001:db8:f00::1/64"}
SETTINGS = FouSettings.model_validate(WRITTEN)


def test_the_plugin_registers_one_transport() -> None:
    assert tunnelmgr_register_transports() == [Fou]


def test_peer_and_address_are_enough() -> None:
    assert Fou("peer", SETTINGS).describe() == "peer 198.51.100.2:5555"
    assert Fou("peer", SETTINGS).tunnel(Random(1)).status(0.0).state == "opening"


@pytest.mark.parametrize("wrong", [{"mtu": 1279}, {"port": 0}, {"peer": "2001:db8::1"}, {"keepalive": 0}, {"pear": 1}])
def test_what_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FouSettings.model_validate(WRITTEN | wrong)


@pytest.mark.parametrize(
    ("report", "fit"),
    [
        (NetworkReport(udp=False), Fit.UNSUITABLE),
        (NetworkReport(nat=NatKind.BLOCKED), Fit.UNSUITABLE),
        (NetworkReport(nat=NatKind.NONE), Fit.GOOD),
        (NetworkReport(nat=NatKind.SYMMETRIC), Fit.POSSIBLE),
        (NetworkReport(), Fit.POSSIBLE),
    ],
)
def test_it_suits_networks_where_the_peer_can_reach_us(report: NetworkReport, fit: Fit) -> None:
    assert Fou("peer", SETTINGS).suits(report).fit is fit
