"""What a provider's update service may say that it should not, over real TLS: only agreements are taken for agreements."""

import asyncio
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

import pytest

from tests.hostile import provider
from tests.hostile.provider import ANSWERS, DRIPS, FIRST, FIRST_DAMAGED, Doors
from tests.peers.https import make_certificates
from tests.process.bench import Bench, bench
from tunnelmgr.api.effects import Fetch
from tunnelmgr.api.outbox import Outbox
from tunnelmgr.core.driving.https import fetch
from tunnelmgr_sixinfour.provider.settings import UpdateSettings
from tunnelmgr_sixinfour.provider.update import EndpointUpdate

HERE = IPv4Address("127.0.0.1")
DAMAGED = 50

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")


@pytest.fixture
def doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    """The service, which answers in threads of this process."""
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificates(tmp_path, "localhost")))
    (tmp_path / "stranger").mkdir()
    make_certificates(tmp_path / "stranger", "localhost")
    listeners = Doors(*(socket.create_server((str(HERE), 0)) for _ in range(4)))
    provider.serve(listeners, tmp_path, Random(int(os.environ.get("HOSTILE_SEED", "1"))))
    yield listeners
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for callers
        listener.close()


def url(door: socket.socket) -> str:
    return f"https://localhost:{door.getsockname()[1]}/nic"


def standings(folder: Path, doors: Doors, tunnels: Iterable[int]) -> dict[int, str]:
    """Return what becomes of the update of each tunnel; whatever is told of it is printable."""

    async def story() -> dict[int, str]:
        async with bench(folder) as b:
            return {tunnel: await standing(b, tunnel) for tunnel in tunnels}

    async def standing(b: Bench, tunnel: int) -> str:
        wish = {"provider": "he", "tunnel": tunnel, "username": "me", "key": "S3CRET", "url": url(doors.true)}
        update = EndpointUpdate(UpdateSettings.model_validate(wish), outbox := Outbox())
        update.located(HERE, 0.0)
        update.handle_timeout(0.0)
        (request,) = [event for event in outbox.drain_events() if isinstance(event, Fetch)]
        update.effect_done(request, await b.answer(request), 0.0)
        facts = update.facts()
        assert str(facts["provider_said"]).isprintable()
        return str(facts["provider"])

    return asyncio.run(story())


def test_of_what_a_provider_says_only_agreements_count(doors: Doors, tmp_path: Path) -> None:
    wanted = {number: said.standing for number, said in enumerate(ANSWERS, FIRST)}
    assert standings(tmp_path, doors, wanted) == wanted
    asked = (tmp_path / provider.ASKED).read_text()
    assert asked.count("Authorization: Basic") == len(wanted), "each was asked once"
    assert "elsewhere" not in asked, "where it redirects to"


@pytest.mark.parametrize("door", ["true", "mute"])
def test_an_answer_that_does_not_end_ends_with_its_time(doors: Doors, door: str) -> None:
    with pytest.raises(TimeoutError):
        fetch(Fetch(f"{url(getattr(doors, door))}?hostname={DRIPS}", timeout=3 * provider.DRIP_INTERVAL))


def test_damage_by_chance_is_an_answer_like_any_other(doors: Doors, tmp_path: Path) -> None:
    damaged = range(FIRST_DAMAGED, FIRST_DAMAGED + DAMAGED)
    assert set(standings(tmp_path, doors, damaged).values()) <= {"current", "refused", "due"}
