"""A ready-made lab on this machine: built by one process, found and changed by others."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.lab.namespaces import Host, NamespaceInternet, Site, destroy, naming
from tunnelmgr.lab.namespaces.programs import kill_programs
from tunnelmgr.lab.readymade.description import Description
from tunnelmgr.lab.readymade.topology import (
    ALL_SERVICES,
    LAN_HOST,
    LAN_INTERFACE,
    LAN_ROUTER,
    PUBLIC_HOSTS,
    WEB_PAGE,
    LabService,
)
from tunnelmgr.lab.vocabulary import NatKind
from tunnelmgr.lab.waiting import wait_for

DESCRIPTION = "lab.json"

Tell = Callable[[str], None]
"""Shows a line of progress to the user."""


class Lab:
    """A lab with its folder, in which each host has one: for what its programs write, sockets among it.

    All methods raise TunnelError when something cannot be done.
    """

    def __init__(self, description: Description, folder: Path) -> None:
        """Describe it; `build` makes it, `attach` finds one that another process has built."""
        self.description = description
        self.folder = folder
        self._internet = NamespaceInternet(description.lab)

    @classmethod
    def attach(cls, name: str, folder: Path) -> "Lab":
        """Return the lab of this name."""
        naming.check_lab_name(name)
        file = folder / DESCRIPTION
        if not file.exists() and name not in naming.labs():
            raise TunnelError(f"there is no lab {name}", hint="build it: tunnelmgr lab up", exit_code=ExitCode.NOT_UP)
        description = Description.parse(file.read_text()) if file.exists() else None
        if not description or not description.complete:
            raise TunnelError(f"lab {name} is not whole: its building was cut off", hint=_remove_hint(name))
        lab = cls(description, folder)
        lab._find()
        return lab

    def build(self, tell: Tell, services: frozenset[str] = ALL_SERVICES) -> None:
        """Build all of it and start the services of these hosts; whatever keeps that from its end, nothing stays."""
        name = self.description.lab
        naming.check_lab_name(name)
        if naming.namespaces_of(name):
            raise TunnelError(f"lab {name} exists", hint=f"{_remove_hint(name)}, or choose another name")
        try:
            self._build(tell, services)
        except BaseException:
            remove(name, self.folder)
            raise

    def host(self, name: str) -> Host:
        """Return a host, a router among them."""
        hosts = self.hosts()
        for host in hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in hosts)
        raise TunnelError(
            f"lab {self.description.lab} has no host {name!r}", hint=f"there are {known}", exit_code=ExitCode.USAGE
        )

    def hosts(self) -> list[Host]:
        """Return all hosts: the public ones, the clients with their routers, the backbone."""
        sites = [host for site in self._internet.sites for host in (site.inside, site.router)]
        return [*self._internet.hosts, *sites, self._internet.backbone]

    def environment(self, host: Host) -> Mapping[str, str]:
        """Return what programs on a host have to know: where this tunnelmgr is, and the host's own folders."""
        folder = self.folder / host.name
        return {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
            "TUNNELMGR_RUNTIME_DIR": str(folder),
            "TUNNELMGR_STATE_DIR": str(folder / "state"),
            "TUNNELMGR_EXAMPLES": "yes",  # their names exist here
            "debian_chroot": host.name,  # Debian's shells show it in their prompt
        }

    def command(self, host: Host, words: Sequence[str]) -> list[str]:
        """The words that run `words` on a host, in its environment, when executed on the machine itself."""
        settings = (f"{name}={value}" for name, value in self.environment(host).items())
        return host.command(["env", *settings, *words])

    def type(self, host: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command on a host; its `stdout` is all it said, as it would stand on a terminal."""
        command = self.command(self.host(host), words)
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )

    def start(self, name: str) -> None:
        """Start the service of a public host."""
        [plan] = [plan for plan in PUBLIC_HOSTS if plan.name == name]
        if plan.service:
            self._serve(self.host(name), plan.service)

    def kill(self, name: str) -> None:
        """Kill everything that runs on a host, as a power failure does."""
        kill_programs([self.host(name).namespace])

    def change_nat(self, client: str, kind: NatKind) -> None:
        """Let the router of a client become another one; all mappings are lost."""
        if kind.nat is None:
            raise TunnelError(f"{client} is behind a router; that it is not needs another lab")
        self._site(client).change_nat(kind.nat)
        before = self.description.client(client)
        self._remember(self.description.with_client(replace(before, router=replace(before.router, nat=kind))))

    def forget_mappings(self, client: str) -> None:
        """Restart the router of a client."""
        self._site(client).forget_mappings()

    def move(self, client: str, address: IPv4Address) -> None:
        """Give the router of a client another public address; all mappings are lost."""
        self._site(client).move(address)
        self._remember(self.description.with_client(replace(self.description.client(client), address=address)))

    def _build(self, tell: Tell, services: frozenset[str]) -> None:
        self._remember(self.description)
        self._internet.create()
        tell(f"{self.description.lab}: the backbone")
        for plan in PUBLIC_HOSTS:
            host = self._internet.host(plan.name, *plan.addresses, names=plan.names)
            for prefix in plan.routes:
                self._internet.route(prefix, host)
        for client in self.description.clients:
            self._internet.site(client.name, client.router.nat, client.address, client.router.link)
            tell(f"{self.description.lab}: {client.name} behind {client.router.nat.value}, {client.address}")
        self._internet.lan_host(LAN_HOST, self.host(LAN_ROUTER), LAN_INTERFACE)
        tell(f"{self.description.lab}: {LAN_HOST} behind {LAN_INTERFACE} of {LAN_ROUTER}")
        for plan in PUBLIC_HOSTS:
            if plan.service and plan.name in services and (package := plan.service.lacks):
                hint = f"{sys.executable} -m pip install {package}"
                tell(f"{self.description.lab}: {plan.name} runs no {plan.purpose}: {package} is not installed; {hint}")
            elif plan.service and plan.name in services:
                self._serve(self.host(plan.name), plan.service)
                tell(f"{self.description.lab}: {plan.name}, {plan.purpose}")
        self._remember(replace(self.description, complete=True))

    def _find(self) -> None:
        """Know the hosts that another process has built."""
        for plan in PUBLIC_HOSTS:
            self._internet.find_host(plan.name, *plan.addresses)
        for client in self.description.clients:
            self._internet.find_site(client.name, client.router.nat, client.address, client.router.link)
        self._internet.find_host(LAN_HOST)

    def _site(self, client: str) -> Site:
        self.description.client(client)
        return next(site for site in self._internet.sites if site.name == client)

    def _serve(self, host: Host, service: LabService) -> None:
        folder = self.folder / host.name
        folder.mkdir(parents=True, exist_ok=True)
        if service.port is None:
            host.run(service.words, environment=self.environment(host))
            return
        pages = folder / "pages"
        pages.mkdir(exist_ok=True)
        (pages / "index.html").write_text(WEB_PAGE)
        words = ("env", f"--chdir={pages}", *service.words)
        host.popen(words, output=folder / "service.log", environment=self.environment(host))
        wait_for(f"{host.name}: TCP port {service.port}", partial(_listens, host, service.port))

    def _remember(self, description: Description) -> None:
        self.description = description
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / DESCRIPTION
        written = file.with_suffix(".new")
        written.write_text(description.serialize())
        written.replace(file)


@contextlib.contextmanager
def standing(description: Description, folder: Path, tell: Tell, services: frozenset[str]) -> Iterator[Lab]:
    """Build a lab for the time of a with block. Raises TunnelError."""
    lab = Lab(description, folder)
    lab.build(tell, services)
    try:
        yield lab
    finally:
        remove(description.lab, folder)


def remove(name: str, folder: Path) -> bool:
    """Remove all that there is of a lab. Return True if there was anything. Raises TunnelError when a program stays."""
    naming.check_lab_name(name)
    found = name in naming.labs() or folder.exists()
    destroy(name)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _remove_hint(name: str) -> str:
    return f"remove it: tunnelmgr lab down --lab {name}"


def _listens(host: Host, port: int) -> bool:
    with host.enter(), contextlib.suppress(OSError), socket.create_connection(("::1", port), timeout=1.0):
        return True
    return False
