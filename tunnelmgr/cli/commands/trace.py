"""`tunnelmgr trace`."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import click

from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import options, overview, privileges
from tunnelmgr.cli.decoding import installed_dissectors
from tunnelmgr.cli.packets import Lines, Objects
from tunnelmgr.cli.trace_outputs import CaptureFile, Screen, TraceOutput, opened
from tunnelmgr.cli.tracing import Side, Tracer
from tunnelmgr.core.capture.explanation import Decoder
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.runtime import Runtime
from tunnelmgr.daemon.client import ControlClient

_say = partial(click.echo, err=True)
_SIDES = {"outer": (Side.OUTER,), "inner": (Side.INNER,), "both": (Side.OUTER, Side.INNER)}


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
    client = _client_of(profile)
    privileges.require_net_admin(f"watch the packets of {client.name}")
    decoder = Decoder(installed_dissectors(PluginRegistry.from_environment(), _say))
    show = Objects("trace") if as_json else Lines(fields=verbose, interfaces=sides == "both")
    with ExitStack() as stack:
        target: TraceOutput = Screen(client.name, decoder, show)
        if output is not None:
            target = CaptureFile(stack.enter_context(opened(output)), decoder)
        tracer = stack.enter_context(Tracer(client, _SIDES[sides], _say))
        with _until_interrupted():
            _run(tracer, target, count)
        seen, lost = tracer.seen, tracer.lost()
        target.end(seen, lost)
    _say(f"{client.name}: {seen} packets, {lost} lost")


def _run(tracer: Tracer, target: TraceOutput, count: int | None) -> None:
    for number, traced in enumerate(tracer.packets(), 1):
        target.packet(traced, number)
        if number == count:
            return


def _client_of(profile: str) -> ControlClient:
    client = overview.client_of(profile, Runtime.from_environment())
    if client is None:
        raise TunnelError(
            f"{profile} is not running", hint=f"bring it up: tunnelmgr up {profile}", exit_code=ExitCode.NOT_UP
        )
    return client


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Take Ctrl-C, and what `timeout` sends, for the end and no failure."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield
