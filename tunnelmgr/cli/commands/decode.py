"""`tunnelmgr decode`."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path
from typing import BinaryIO

import click

from tunnelmgr.api.dissection import Dissection, Dissector
from tunnelmgr.api.errors import ExitCode, TunnelError
from tunnelmgr.cli import options, render
from tunnelmgr.cli.packets import Decoded, Lines, installed_dissectors
from tunnelmgr.cli.terminal import say, tell
from tunnelmgr.core.capture.explanation import Decoder, ExplainedPacket
from tunnelmgr.core.capture.reading import read_capture
from tunnelmgr.core.plugins import PluginRegistry

STANDARD_INPUT = "-"
_HEXADECIMAL = re.compile(r"(0x)?[0-9a-fA-F\s:]+")


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WHAT...")
@options.as_json
@click.option("-v", "--verbose", is_flag=True, help="Name every part, and where it stands.")
def decode(words: tuple[str, ...], *, as_json: bool, verbose: bool) -> None:
    """Explain packets: a capture file, bytes in hex, or a tunnel's address.

    WHAT is an IPv6 address, a file of the formats pcap or pcapng ("-" for standard input), or the bytes of a packet or of a
    UDP payload in hexadecimal. Each packet gets one line that says what it is for. --json prints one object a line.
    """
    dissectors = partial(installed_dissectors, PluginRegistry.from_environment(), tell)
    for word in words:
        show = partial(render.envelope, "decode") if as_json else Lines(fields=verbose)
        for packet in _decoded(word, dissectors):
            say(show(packet))


def _decoded(word: str, dissectors: Callable[[], Sequence[Dissector]]) -> Iterator[Decoded]:
    """Yield what a word stands for, explained: an address, a capture file, or bytes in hexadecimal. Raises TunnelError."""
    try:
        address = IPv6Address(word)
    except AddressValueError:
        pass
    else:
        yield _address(word, address, Decoder(dissectors()))
        return
    if word == STANDARD_INPUT:
        yield from _capture("standard input", sys.stdin.buffer, Decoder(dissectors()))
    elif _is_file(word):
        with _opened(Path(word)) as stream:
            yield from _capture(word, stream, Decoder(dissectors()))
    else:
        data = _bytes(word)
        yield Decoded.of(word, Decoder(dissectors()).payload(data), len(data))


def _address(word: str, address: IPv6Address, decoder: Decoder) -> Decoded:
    nothing = Dissection("ipv6", "address", "not made of an IPv4 address by a tunnel: it tells nothing")
    return Decoded.of(word, ExplainedPacket(decoder.address(address) or nothing), len(address.packed))


def _capture(name: str, stream: BinaryIO, decoder: Decoder) -> Iterator[Decoded]:
    for frame in read_capture(stream, name):
        yield Decoded.of(name, decoder.frame(frame), frame.length, frame)


def _is_file(word: str) -> bool:
    """Whether a word is the path of what can be read: a pipe will do."""
    try:
        return Path(word).exists() and not Path(word).is_dir()
    except OSError:  # longer than a path can be
        return False


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise TunnelError(f"{file}: {error.strerror}") from error


def _bytes(word: str) -> bytes:
    if not _HEXADECIMAL.fullmatch(word.strip()):
        raise TunnelError(
            f"{word!r} is not an IPv6 address, bytes in hexadecimal or a file",
            hint="give one of them; a file by its path",
            exit_code=ExitCode.USAGE,
        )
    digits = re.sub(r"[\s:]", "", word.strip().removeprefix("0x"))
    if len(digits) % 2:
        raise TunnelError(f"{len(digits)} hexadecimal digits are not whole bytes", exit_code=ExitCode.USAGE)
    return bytes.fromhex(digits)
