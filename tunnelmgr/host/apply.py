"""Makes this machine look as desired, writing every change down and taking back what failed half way."""

import asyncio
import errno
import logging
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.host.desired import Desired
from tunnelmgr.host.device_name import is_ours
from tunnelmgr.host.disturbance import ContestedError, Disturbances, taken_away
from tunnelmgr.host.interface import Host
from tunnelmgr.host.items import Address, Advertisement, Fate, Item, KernelTunnel, Purpose, Resolvers, Rule, Sysctl, Table
from tunnelmgr.host.journal import Journal, JournalUnwritableError
from tunnelmgr.host.plan import Step, changes, lan_items, taken_back, wanted
from tunnelmgr.host.resolvers import ResolverHelper
from tunnelmgr.host.surroundings import Surroundings

_log = logging.getLogger(__name__)

# What taking back may meet: the thing went with its device, or somebody was quicker; or it was never gone.
_ALREADY_SO = {errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL, errno.EEXIST}


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Something of the LAN, or the resolvers, that could not be had. The tunnel of this host works without."""

    item: Item
    reason: str
    hint: str


class Configurator:
    """Everything one profile does to this machine goes through here."""

    def __init__(self, host: Host, journal: Journal) -> None:
        self._host = host
        self._journal = journal
        self.shortfalls: tuple[Shortfall, ...] = ()
        """What the last `apply` left out."""
        self.disturbances = Disturbances()
        self._had: Collection[Item] = ()
        """What the last `apply` wanted there."""
        self._ceded: dict[Hashable, Shortfall] = {}
        """What others take away again and again and the tunnel works without, by key: it is left to them."""

    async def apply(self, desired: Desired) -> list[Step]:
        """Make it so; return the steps taken, none when it was so already.

        Raises TunnelError after having gone back to what was before the call, the device's sysctls aside; ContestedError,
        with nothing done, when somebody does not want it so.
        """
        around = self._host.surroundings()
        if desired.needs_nft:
            around.require_nft()
        try:
            actual = await self._host.actual(desired.device, self._looked_for(desired))
        except OSError as error:
            raise _failure(f"{desired.device}: cannot read what is configured", error) from error
        self.shortfalls = tuple(self._ceded.values())
        ours = frozenset(self._ours())
        wished = wanted(desired, actual, self._helper(desired, around), ours)
        steps = self._uncontested(changes(wished, actual), actual)
        self._had, undone = (), []
        for number, step in enumerate(steps):
            try:
                await self._take(step, ours)
            except JournalUnwritableError:
                await self._go_back([done for done in steps[:number] if _need_of(done) is not _Need.NONE])
                raise
            except OSError as error:
                match _need_of(step):
                    case _Need.VITAL:
                        # Its switches stay: letting the kernel make a link-local address again would be one more change.
                        await self._go_back([done for done in steps[:number] if _need_of(done) is not _Need.NONE])
                        raise explain(step, error) from error
                    case _Need.MISSED:
                        self._do_without(step, error)
                    case _Need.NONE:
                        _log.info("%s: %s: left as it is", _text(step), error.strerror)
                undone.append(step.after)
        self._had = [item for item in wished if item not in undone]
        return steps

    async def clear(self) -> list[Step]:
        """Take back everything, what a dead owner of this journal left as well; return the steps taken. What is gone already
        is fine.

        Settings of the device itself stay until it vanishes. To be called before the Tun is closed. Raises TunnelError,
        after the rest is done, when something cannot be taken back: it stays in the journal.
        """
        self._had, self._ceded = (), {}
        steps = [step for step in taken_back(self._journal.net()) if not self._left_to_another_profile(step)]
        failures = await self._undo(steps)
        if failures:
            raise TunnelError(
                f"this stays, since it could not be taken back: {'; '.join(failure.message for failure in failures)}",
                hint="mend that, and run `tunnelmgr cleanup`",
                exit_code=failures[0].exit_code,
            )
        self._journal.forget()
        return steps

    async def delete_kernel_tunnel(self, device: str) -> None:
        """Make room for a TUN of the same name. What is configured on the device goes with it. Raises TunnelError."""
        step = Step(next((item for item in await self._host.actual(device) if isinstance(item, KernelTunnel)), None), None)
        if step.before and (failures := await self._undo([step])):
            raise failures[0]

    def _looked_for(self, desired: Desired) -> list[Item]:
        """Return what is not found by looking at the device: what shall be there, and what was put there."""
        # One rule of a pair that lost the other is found by its source alone.
        found = (item for item in [*self._ours(), *lan_items(desired)] if not item.is_of_device or isinstance(item, Rule))
        return list({item.key: item for item in found}.values())

    def _do_without(self, step: Step, error: OSError) -> None:
        item = step.item
        match item:
            case Advertisement():
                trouble = _no_radvd(error)
            case Resolvers():
                trouble = TunnelError(_unused(item, error.strerror), hint=f"try it by hand: {_text(step)}")
            case _:
                trouble = explain(step, error)
        self.shortfalls += (Shortfall(item, trouble.message, trouble.hint),)
        _log.warning("%s", trouble)

    def _ours(self) -> list[Item]:
        return [step.after for step in self._journal.net() if step.after]

    def _uncontested(self, steps: Sequence[Step], actual: Collection[Item]) -> list[Step]:
        """Return the steps without what is left to others. Raises ContestedError where the tunnel cannot be without it."""
        steps = [step for step in steps if step.item.key not in self._ceded]
        lost = taken_away(self._had, actual, [step.after for step in steps if step.after])
        try:
            if lost:
                self.disturbances.note(lost, self._host.suspects(lost), asyncio.get_running_loop().time())
        except ContestedError as error:
            if any(_need_of(Step(None, item)) is _Need.VITAL for item in lost):
                raise
            given_up = {item.key: Shortfall(item, error.message, self.disturbances.hint) for item in lost}
            self._ceded |= given_up
            self.shortfalls += tuple(given_up.values())
        return [step for step in steps if step.item.key not in self._ceded]

    def _helper(self, desired: Desired, around: Surroundings) -> ResolverHelper | None:
        if not desired.resolvers:
            return None
        if around.resolver_helper is None:
            missing = Resolvers(desired.device, ResolverHelper.RESOLVCONF, desired.resolvers)
            lines = "".join(f"nameserver {server}\\n" for server in desired.resolvers)
            hint = f"install resolvconf; or as root: printf '{lines}' >> /etc/resolv.conf"
            reason = _unused(missing, "neither does systemd-resolved run nor is resolvconf installed")
            self.shortfalls += (Shortfall(missing, reason, hint),)
        return around.resolver_helper

    async def _take(self, step: Step, ours: Collection[Item]) -> None:
        """Take one step so that at no moment something of ours is on the machine and not in the journal."""
        if step.after in ours:  # it is put back, even where there is no room to write
            await self._host.run(step)
            return
        if not step.after:
            await self._host.run(step)
            self._record_gone(step)
            return
        self._journal.record(step)
        try:
            await self._host.run(step)
        except OSError:
            self._record_gone(step.inverse())
            raise

    def _record_gone(self, step: Step) -> None:
        """Write down that something is gone. Without room for that the journal names too much, which is harmless."""
        try:
            self._journal.record(step)
        except JournalUnwritableError as error:
            _log.warning("%s", error)

    def _left_to_another_profile(self, step: Step) -> bool:
        """Leave what another living profile may need as well, forwarding above all, for that one to take back."""
        if step.before is None or step.before.fate is not Fate.RESTORED or not self._journal.hand_on(step.inverse()):
            return False
        self._record_gone(step)
        return True

    async def _go_back(self, steps: Sequence[Step]) -> None:
        for failure in await self._undo([step.inverse() for step in reversed(steps)]):
            _log.warning("while going back: %s", failure)

    async def _undo(self, steps: Iterable[Step]) -> list[TunnelError]:
        failures = []
        for step in steps:
            try:
                await self._host.run(step)
            except OSError as error:
                if error.errno not in _ALREADY_SO:
                    failures.append(explain(step, error))
                    continue
            self._record_gone(step)
        return failures


class _Need(Enum):
    """How much a tunnel needs a step to be taken."""

    VITAL = "vital"
    """Without it there is no tunnel."""
    MISSED = "missed"
    """This host's own tunnel works without; the user is told."""
    NONE = "none"
    """It works without, and nobody misses it."""


def _need_of(step: Step) -> _Need:
    match step.item:
        case Resolvers():
            return _Need.MISSED
        case _ if step.after is None:
            return _Need.VITAL
        case Table(purpose=Purpose.ERRORS):
            return _Need.NONE  # nftables may be missing, and the errors that leave then are a nuisance
        case Sysctl() as switch if is_ours(switch.interface) or not switch.is_of_device:
            return _Need.NONE  # /proc/sys is read-only in most containers, and older kernels lack some switches
        case item:
            return _Need.VITAL if item.is_of_device else _Need.MISSED


def _unused(resolvers: Resolvers, reason: str | None) -> str:
    return f"the resolvers of the far end ({', '.join(map(str, resolvers.servers))}) are not used: {reason}"


def _no_radvd(error: OSError) -> TunnelError:
    missing = error.errno == errno.ENOENT
    return TunnelError(
        f"the LAN hears nothing of the tunnel: {error.strerror}",
        hint="install the package radvd" if missing else "the log has what radvd said",
    )


def _text(step: Step) -> str:
    return "; ".join(step.lines())


_HINTS: Mapping[int, str] = {
    errno.EPERM: "run as root, or with CAP_NET_ADMIN",
    errno.EROFS: "set it outside this container, where /proc/sys is writable",
    errno.EOPNOTSUPP: "this kernel runs without IPv6: start it without ipv6.disable=1",
    errno.EAFNOSUPPORT: "this kernel runs without IPv6: start it without ipv6.disable=1",
    errno.EEXIST: "somebody else made it: take it away, or choose another name or address",
    errno.ENODEV: "the device went away meanwhile: start again",
}


def explain(step: Step, error: OSError) -> TunnelError:
    """Return what a step that failed is told as, with the next step."""
    match step.item, error.errno:
        case Table(), errno.EOPNOTSUPP | errno.EAFNOSUPPORT | errno.ENOENT if step.after:
            hint = "this kernel lacks a part of nftables (modules nft_ct, nft_reject, nft_masq): load it"
        case Address(device=device), errno.EACCES:  # what the kernel says to an address where disable_ipv6 is set
            where = "default" if is_ours(device) else device
            hint = f"IPv6 is switched off on {device}: sysctl net/ipv6/conf/{where}/disable_ipv6=0"
        case _:
            hint = ""
    return _failure(_text(step), error, hint)


def _failure(what: str, error: OSError, hint: str = "") -> TunnelError:
    return TunnelError(
        f"{what}: {error.strerror}",
        hint=hint or _HINTS.get(error.errno or 0, "the kernel's log (dmesg) may say more"),
        exit_code=ExitCode.NO_PERMISSION if error.errno == errno.EPERM else ExitCode.FAILED,
    )
