"""What a client that may be its host's relay makes of what it is told; whole stories are in the simulated tests."""

from dataclasses import replace
from random import Random

import pytest
from tests.teredo_world.bench import network

from tunnelmgr.api.effects import Cancel, CloseChannel, Done, Failed, FailureCode, OpenChannel, Resolve
from tunnelmgr.api.events import Down, Stopped, Up
from tunnelmgr_teredo.client.settings import ClientSettings
from tunnelmgr_teredo.constants import CHANNEL_ATTEMPTS, RESTART_DELAY, SERVICE_PORTS
from tunnelmgr_teredo.native_relay import ClientOrRelay

pytestmark = pytest.mark.requirement("T-CL-027")


TAKEN = Failed(FailureCode.IN_USE, "UDP port taken")


def started(*, native: bool, port: int = 0) -> ClientOrRelay:
    settings = ClientSettings.model_validate({"server": "teredo.example", "native": "relay", "port": port})
    tunnel = ClientOrRelay(settings, Random(1))
    tunnel.start(0.0, network(native_ipv6=native), {})
    return tunnel


def test_what_cannot_be_read_turns_nothing() -> None:
    tunnel = started(native=True)
    (opening,) = (event for event in tunnel.outbox.drain_events() if isinstance(event, OpenChannel))
    tunnel.network_changed(replace(network(), native_ipv6=None), 1.0)
    assert tunnel.outbox.drain_events() == []
    assert opening.channel == "relay"


def test_what_the_client_still_waits_for_is_cancelled_at_the_turn() -> None:
    tunnel = started(native=False)
    (opening,) = tunnel.outbox.drain_events()
    tunnel.network_changed(network(native_ipv6=True), 1.0)
    said = tunnel.outbox.drain_events()
    assert [event.effect for event in said if isinstance(event, Cancel)] == [opening]
    assert [event.channel for event in said if isinstance(event, CloseChannel | OpenChannel)] == ["service", "relay"]
    assert not [event for event in said if isinstance(event, Stopped | Resolve)]


def refused(tunnel: ClientOrRelay, times: int) -> list[int]:
    """Answer each opening so far with "taken"; return the ports asked for."""
    ports = []
    for _ in range(times):
        (opening,) = (event for event in tunnel.outbox.drain_events() if isinstance(event, OpenChannel))
        ports.append(opening.local.port)
        tunnel.effect_done(opening, TAKEN, 1.0)
    return ports


def test_a_random_port_of_the_relay_that_is_taken_is_drawn_anew() -> None:
    tunnel = started(native=True)
    (taken,) = refused(tunnel, 1)
    (opening,) = tunnel.outbox.drain_events()
    assert isinstance(opening, OpenChannel)
    assert opening.local.port in set(SERVICE_PORTS) - {taken}
    tunnel.effect_done(opening, Done(opening.local), 1.0)
    assert tunnel.status(1.0).facts["relay"] == str(opening.local)
    (up,) = tunnel.outbox.drain_events()
    assert isinstance(up, Up)


def test_when_many_random_ports_are_taken_the_relay_tells_and_goes_on_later() -> None:
    tunnel = started(native=True)
    assert len(set(refused(tunnel, CHANNEL_ATTEMPTS))) == CHANNEL_ATTEMPTS
    (down,) = tunnel.outbox.drain_events()
    assert isinstance(down, Down)
    tunnel.handle_timeout(1.0 + RESTART_DELAY)
    assert len(set(refused(tunnel, CHANNEL_ATTEMPTS))) == CHANNEL_ATTEMPTS


def test_a_given_port_of_the_relay_that_is_taken_is_told() -> None:
    tunnel = started(native=True, port=3545)
    assert refused(tunnel, 1) == [3545]
    (down,) = tunnel.outbox.drain_events()
    assert isinstance(down, Down)
    assert "port" in down.hint


def test_it_stops_once() -> None:
    tunnel = started(native=True)
    tunnel.outbox.drain_events()
    tunnel.stop(1.0)
    assert tunnel.outbox.drain_events() == [Stopped()]
