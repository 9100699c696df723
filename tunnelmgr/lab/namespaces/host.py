"""One machine of the lab: a namespace with a name, addresses, and programs running in it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.namespaces.entering import entered

_Address = TypeVar("_Address", IPv4Address, IPv6Address)

STOP_TIMEOUT = 5.0  # seconds a program has to end after SIGTERM, before SIGKILL


class Host:
    """A namespace of the lab. It owns the programs started with `popen` until `stop_programs`."""

    def __init__(self, name: str, namespace: str, addresses: Sequence[IPv4Address | IPv6Address]) -> None:
        self.name = name
        self.namespace = namespace
        self.addresses = tuple(addresses)
        self._programs: list[subprocess.Popen[bytes]] = []

    def __repr__(self) -> str:
        return f"<{self.namespace} {' '.join(map(str, self.addresses))}>"

    @property
    def ipv4(self) -> IPv4Address:
        """The first IPv4 address; raises TunnelError when it has none."""
        return self._first(IPv4Address)

    @property
    def ipv6(self) -> IPv6Address:
        """The first IPv6 address; raises TunnelError when it has none."""
        return self._first(IPv6Address)

    def _first(self, kind: type[_Address]) -> _Address:
        for address in self.addresses:
            if isinstance(address, kind):
                return address
        raise TunnelError(f"{self.name} has no {kind.__name__.removesuffix('Address')} address")

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The words that run `arguments` here when executed on the machine itself."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def run(
        self,
        arguments: Sequence[str],
        *,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end and return what it said.

        `environment` adds to this process's. Raises TunnelError when it does not end within `timeout` seconds, and,
        with `check`, when it exits with anything but 0; the message holds its output.
        """
        try:
            done = subprocess.run(
                self.command(arguments),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                errors="surrogateescape",  # names of interfaces may be any octets
                timeout=timeout,
                env={**os.environ, **(environment or {})},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TunnelError(f"{self.name}: {' '.join(arguments)} took more than {timeout} s") from error
        if check and done.returncode:
            said = (done.stdout + done.stderr).strip()
            raise TunnelError(f"{self.name}: {' '.join(arguments)} exited with {done.returncode}: {said}")
        return done

    def popen(
        self,
        arguments: Sequence[str],
        *,
        output: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program here and leave it running; the lab ends it when it is destroyed.

        What it says is appended to the file `output`, or lost: a pipe that a daemon inherits and nobody reads would
        stall it, and reading it to the end would never end.
        """
        with ExitStack() as files:
            said = files.enter_context(output.open("ab")) if output else subprocess.DEVNULL
            program = subprocess.Popen(
                self.command(arguments),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self._programs.append(program)
        return program

    def stop(self, program: subprocess.Popen[bytes]) -> int:
        """End a program started with `popen` and return its exit status."""
        program.terminate()
        try:
            return program.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            program.kill()
            return program.wait()

    def enter(self) -> AbstractContextManager[None]:
        """Put the calling thread here for the time of a with block; see `entering.entered`."""
        return entered(self.namespace)

    def stop_programs(self) -> None:
        """Kill everything started with `popen`, without asking."""
        for program in self._programs:
            program.kill()
        for program in self._programs:
            program.wait()
        self._programs.clear()
