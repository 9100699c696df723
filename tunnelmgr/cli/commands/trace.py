"""`tunnelmgr trace`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from typing import BinaryIO

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import options, overview, privileges, render
from tunnelmgr.cli.packets import Decoded, Lines, installed_dissectors
from tunnelmgr.cli.terminal import say, tell
from tunnelmgr.core.capture.explanation import Decoder
from tunnelmgr.core.capture.frame import Frame, LinkType
from tunnelmgr.core.capture.writing import PcapngWriter
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.tracer import Tracer, TunnelSide

STANDARD_OUTPUT = "-"
_SIDES = {"outer": (TunnelSide.OUTER,), "inner": (TunnelSide.INNER,), "both": (TunnelSide.OUTER, TunnelSide.INNER)}


@click.command()
@options.profile
@click.option("--outer", "sides", flag_value="outer", help="Only datagrams on the IPv4 network.")
@click.option("--inner", "sides", flag_value="inner", help="Only IPv6 packets on the tunnel device.")
@click.option("--both", "sides", flag_value="both", default="both", help="Both: the default.")
@click.option("-o", "--output", metavar="FILE", help='Write pcapng to FILE ("-": standard output) and print no lines.')
@click.option("-c", "--count", type=click.IntRange(min=1), help="End after so many packets.")
@click.option("-v", "--verbose", is_flag=True, help="Name every part, and where it stands.")
@options.as_json
def trace(profile: str, *, sides: str, output: str | None, count: int | None, verbose: bool, as_json: bool) -> None:
    """Watch the packets of a tunnel, and what each is for.

    Until Ctrl-C, or until the tunnel ends. Every packet gets one line; a data packet passes twice, inside and outside. With
    -o they go to a file for Wireshark, what each is for as its comment: `tunnelmgr trace home -o - | wireshark -k -i -`.
    """
    if output is not None and (as_json or verbose):
        raise click.UsageError("-o writes pcapng: neither --json nor -v goes with it")
    client = overview.running_client(profile, Runtime.from_environment())
    privileges.require_net_admin(f"watch the packets of {client.name}")
    decoder = Decoder(installed_dissectors(PluginRegistry.from_environment(), tell))
    lines = Lines(fields=verbose, interfaces=sides == "both")
    show = partial(render.envelope, "trace") if as_json else lines
    with ExitStack() as stack:
        capture = stack.enter_context(_opened(output)) if output is not None else None
        writer = PcapngWriter(capture, [side.value for side in TunnelSide]) if capture else None
        tracer = stack.enter_context(Tracer(client, _SIDES[sides], tell))
        with _until_interrupted():
            for number, (side, packet) in enumerate(islice(tracer.packets(), count), 1):
                frame = Frame(number, packet.at, LinkType.RAW, packet.data, packet.length, side.value)
                explained = decoder.frame(frame)
                if writer:
                    writer.packet(side.value, packet.at, packet.data, packet.length, explained.dissection.purpose)
                else:
                    say(show(Decoded.of(client.name, explained, frame.length, frame)))
        if writer:
            writer.end(tracer.seen, tracer.lost())
        tell(f"{client.name}: {tracer.seen} packets, {tracer.lost()} lost")


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Take Ctrl-C, and what `timeout` sends, for the end and no failure."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield


@contextmanager
def _opened(output: str) -> Iterator[BinaryIO]:
    """Open what a capture is to be written to. Raises TunnelError."""
    if output == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            hint = "write to a file, or to a program: `-o - | wireshark -k -i -`"
            raise TunnelError("a capture cannot be shown on a terminal", hint=hint, exit_code=ExitCode.USAGE)
        yield sys.stdout.buffer
        return
    try:
        # Packets are private: for nobody's eyes but the owner's.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise TunnelError(f"cannot write {output}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as stream:
        yield stream
