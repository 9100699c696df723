"""The device of one session and who carries its packets: this process through a TUN, or a tunnel of the kernel's own."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.core.condition import Progress
from tunnelmgr.core.driving.driver import Driver
from tunnelmgr.core.driving.kernel_offer import Unsuited
from tunnelmgr.core.profiles.profile import DatapathWish, Profile
from tunnelmgr.host.apply import Configurator
from tunnelmgr.host.desired import Desired, KernelPath
from tunnelmgr.host.interface import Host, Tun


class Carrier:
    """Takes the fastest path there is for what the Tunnel wants carried, and another one when that fails.

    The device changes its kind, never its name, its addresses or its routes. One that has become the kernel's stays so
    while the Tunnel has no paths: its far end is expected back.
    """

    def __init__(
        self,
        profile: Profile,
        host: Host,
        configurator: Configurator,
        driver: Driver,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._name = profile.device
        self._host = host
        self._configurator = configurator
        self._driver = driver
        self._on_progress = on_progress
        self._tun: Tun | None = None
        self._kernel: KernelPath | None = None
        self._no_kernel = _without_kernel(profile.datapath, host)
        """Why the kernel shall not carry, or could not; empty while it may be tried."""

    @property
    def path(self) -> str:
        """The data path in use."""
        return DatapathWish.PLAIN.value if self._kernel is None else DatapathWish.KERNEL.value

    @property
    def reason(self) -> str:
        """Why it is not a faster one; empty when there is none."""
        if self._kernel is not None:
            return ""
        offer = self._driver.offer.current
        if isinstance(offer, Unsuited):
            return offer.reason
        return self._no_kernel or "there is no path yet that the kernel could carry"

    @property
    def barred(self) -> Mapping[str, int]:
        """How many packets the kernel has dropped where the forwarding table would have, by the same names."""
        return {} if self._kernel is None else self._host.barred(self._name)

    @property
    def is_concerned(self) -> bool:
        """True if it makes a difference here what the Tunnel offers a kernel tunnel to do."""
        return self._kernel is not None or bool(self._driver.offer.addresses)

    def open(self) -> None:
        """Make the device, a TUN to begin with: whether the kernel can carry is seen when there is something to carry."""
        self._tun = self._host.open_tun(self._name)
        self._driver.attach_device(self._tun.fd)

    def close(self) -> None:
        """Let the TUN go. A device of the kernel's goes when the configuration is cleared."""
        if self._tun is not None:
            self._driver.detach_device()
            self._tun.close()
            self._tun = None

    async def configure(self, desired: Desired) -> None:
        """Make the device as desired, carried by whoever can. Raises TunnelError as `Configurator.apply` does."""
        offer = self._driver.offer.current
        if isinstance(offer, KernelPath) and not self._no_kernel:
            await self._leave_to_kernel(offer, desired)
        elif isinstance(offer, Unsuited) and self._kernel is not None:
            await self._take_from_kernel(offer.reason, desired)
        else:
            await self._apply(desired)

    async def _apply(self, desired: Desired) -> None:
        await self._configurator.apply(replace(desired, kernel=self._kernel, raw41=self._driver.offer.addresses))

    async def _leave_to_kernel(self, offer: KernelPath, desired: Desired) -> None:
        self.close()
        self._kernel = offer
        try:
            await self._apply(desired)
        except TunnelError as error:
            self._no_kernel = str(error)
            await self._take_from_kernel(self._no_kernel, desired)
        else:
            self._driver.leave_to_kernel(self._name)

    async def _take_from_kernel(self, reason: str, desired: Desired) -> None:
        self._on_progress(Progress("plain", f"carried by the plain path, the kernel cannot: {reason}"))
        self._kernel = None
        await self._configurator.delete_kernel_tunnel(self._name)
        self._driver.take_from_kernel()
        self.open()
        await self._apply(desired)


def _without_kernel(wish: DatapathWish, host: Host) -> str:
    match wish:
        case DatapathWish.AUTO:
            return host.surroundings().without_kernel_tunnels
        case DatapathWish.KERNEL:
            return ""  # it shall be tried, whatever we believe
        case _:
            return f"the profile says `datapath: {wish.value}`"
