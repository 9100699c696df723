"""What a client that may be its host's relay makes of what it is told; whole stories are in the simulated tests."""

from dataclasses import replace
from random import Random

import pytest
from tests.teredo_world.bench import network

from tunnelmgr.api.effects import Cancel, CloseChannel, OpenChannel, Resolve
from tunnelmgr.api.events import Stopped
from tunnelmgr_teredo.native_relay import ClientOrRelay
from tunnelmgr_teredo.settings import ClientSettings

pytestmark = pytest.mark.requirement("T-CL-027")


def started(*, native: bool) -> ClientOrRelay:
    tunnel = ClientOrRelay(ClientSettings.model_validate({"server": "teredo.example", "native": "relay"}), Random(1))
    tunnel.start(0.0, network(native_ipv6=native), {})
    return tunnel


def test_what_cannot_be_read_turns_nothing() -> None:
    tunnel = started(native=True)
    (opening,) = (event for event in tunnel.events() if isinstance(event, OpenChannel))
    tunnel.network_changed(replace(network(), native_ipv6=None), 1.0)
    assert tunnel.events() == []
    assert opening.channel == "relay"


def test_what_the_client_still_waits_for_is_cancelled_at_the_turn() -> None:
    tunnel = started(native=False)
    (opening,) = tunnel.events()
    tunnel.network_changed(network(native_ipv6=True), 1.0)
    said = tunnel.events()
    assert [event.effect for event in said if isinstance(event, Cancel)] == [opening]
    assert [event.channel for event in said if isinstance(event, CloseChannel | OpenChannel)] == ["service", "relay"]
    assert not [event for event in said if isinstance(event, Stopped | Resolve)]


def test_it_stops_once() -> None:
    tunnel = started(native=True)
    tunnel.events()
    tunnel.stop(1.0)
    assert tunnel.events() == [Stopped()]
