"""Where traced packets go: to the screen in words, or to a capture file with the words as comments."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli.packets import Decoded
from tunnelmgr.cli.tracing import Side, Traced
from tunnelmgr.core.capture.explanation import Decoder
from tunnelmgr.core.capture.frame import Frame, LinkType
from tunnelmgr.core.capture.writing import PcapngWriter

STANDARD_OUTPUT = "-"


class TraceOutput(Protocol):
    """Takes packets as they come."""

    def packet(self, traced: Traced, number: int) -> None:
        """Take one; `number` counts from 1."""

    def end(self, seen: int, lost: int) -> None:
        """Hear that there are no more."""


class Screen:
    """One line a packet."""

    def __init__(self, profile: str, decoder: Decoder, show: Callable[[Decoded], str]) -> None:
        self._profile = profile
        self._decoder = decoder
        self._show = show

    def packet(self, traced: Traced, number: int) -> None:
        """Print it."""
        frame = frame_of(traced, number)
        click.echo(self._show(Decoded.of(self._profile, self._decoder.frame(frame), frame.length, frame)))

    def end(self, seen: int, lost: int) -> None:
        """Print nothing more."""


class CaptureFile:
    """A file of the format pcapng, with an interface for each side."""

    def __init__(self, stream: BinaryIO, decoder: Decoder) -> None:
        self._decoder = decoder
        self._writer = PcapngWriter(stream, [side.value for side in Side])

    def packet(self, traced: Traced, number: int) -> None:
        """Write it."""
        purpose = self._decoder.frame(frame_of(traced, number)).dissection.purpose
        packet = traced.packet
        self._writer.packet(traced.side.value, packet.at, packet.data, packet.length, purpose)

    def end(self, seen: int, lost: int) -> None:
        """Write the counts."""
        self._writer.end(seen, lost)


def frame_of(traced: Traced, number: int) -> Frame:
    """Return a traced packet as a frame of a capture."""
    packet = traced.packet
    return Frame(number, packet.at, LinkType.RAW, packet.data, packet.length, traced.side.value)


@contextmanager
def opened(output: str) -> Iterator[BinaryIO]:
    """Open what a capture is to be written to. Raises TunnelError."""
    if output == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            hint = "write to a file, or to a program: `-o - | wireshark -k -i -`"
            raise TunnelError("a capture is nothing for a terminal", hint=hint, exit_code=ExitCode.USAGE)
        yield sys.stdout.buffer
        return
    try:
        # Packets are private: for nobody's eyes but the owner's.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise TunnelError(f"cannot write {output}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as stream:
        yield stream
