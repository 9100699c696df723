"""Makes this machine look as desired, writing every change down first and taking back what failed half way."""

from tunnelmgr.host.desired import Desired
from tunnelmgr.host.interface import Host
from tunnelmgr.host.journal import Journal
from tunnelmgr.host.plan import Step


class Configurator:
    """Everything one profile does to this machine goes through here."""

    def __init__(self, host: Host, journal: Journal) -> None:
        self._host = host
        self._journal = journal

    async def recover(self) -> list[Step]:
        """Take back what a dead owner of this journal left; to be called before the device is opened."""

    async def apply(self, desired: Desired) -> list[Step]:
        """Make it so; return the steps taken, none when it was so already. TunnelError: nothing of it remains."""

    async def clear(self) -> list[Step]:
        """Take back everything. What is gone already is fine. To be called before the Tun is closed."""
