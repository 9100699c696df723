"""`tunnelmgr decode`."""

from functools import partial

import click

from tunnelmgr.cli import options
from tunnelmgr.cli.decoding import decode_word, installed_dissectors
from tunnelmgr.cli.packets import Lines, Objects
from tunnelmgr.core.plugins import PluginRegistry


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WHAT...")
@options.as_json
@click.option("-v", "--verbose", is_flag=True, help="Name every part, and where it stands.")
def decode(words: tuple[str, ...], *, as_json: bool, verbose: bool) -> None:
    """Explain packets: a capture file, bytes in hex, or a tunnel's address.

    WHAT is an IPv6 address, a file of the formats pcap or pcapng ("-" for standard input), or the bytes of a packet or of a
    UDP payload in hexadecimal. Each packet gets one line that says what it is for. --json prints one object a line.
    """
    dissectors = partial(installed_dissectors, PluginRegistry.from_environment(), partial(click.echo, err=True))
    for word in words:
        show = Objects("decode") if as_json else Lines(fields=verbose)
        for packet in decode_word(word, dissectors):
            click.echo(show(packet))
