"""What this machine's other firewalls do to the packets of our tunnels: their rules, read again only after they changed."""

import json
import logging
from typing import Final

from tunnelmgr.host.linux.nft import without_nft
from tunnelmgr.host.linux.ruleset import generation, has_other_base_chains
from tunnelmgr.host.linux.running import run_program
from tunnelmgr.host.passage import Cut, Passage, cuts

_log = logging.getLogger(__name__)

_LIST: Final = ("nft", "--json", "--terse", "list", "ruleset")  # terse: without the elements of sets, which may be many


class OtherFirewalls:
    """Judges them for one tunnel."""

    def __init__(self) -> None:
        self._judged: tuple[bytes, tuple[Passage, ...]] | None = None
        self._found: tuple[Cut, ...] = ()

    async def cuts(self, passages: tuple[Passage, ...]) -> tuple[Cut, ...]:
        """Return what is cut, as far as that is certain; nothing where the rules cannot be read."""
        if not passages or without_nft():
            return ()
        try:
            judged = generation(), passages
            if judged != self._judged:
                self._found = cuts(await _ruleset(), passages) if has_other_base_chains() else ()
                self._judged = judged
        except (OSError, ValueError, KeyError, TypeError) as error:  # an nft that is old, or prints what we do not know
            _log.info("other firewalls cannot be looked at: %s", error)
            return ()
        return self._found

    def are_new(self) -> bool:
        """True if they may judge otherwise by now: quick."""
        try:
            return self._judged is None or self._judged[0] != generation()
        except OSError:
            return False


async def _ruleset() -> list[dict[str, object]]:
    ran = await run_program(_LIST)
    found: list[dict[str, object]] = json.loads(ran.output)["nftables"]
    return found
