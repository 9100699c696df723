"""Reads a capture of any format known."""

from collections.abc import Iterator
from typing import BinaryIO

from tunnelmgr.core.capture import pcap, pcapng
from tunnelmgr.core.capture.frame import Frame
from tunnelmgr.core.capture.source import CaptureSource

_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd", b"\xfd\x37": "xz"}


def read_capture(stream: BinaryIO, name: str) -> Iterator[Frame]:
    """Yield the frames of a capture, each as soon as it has been read; `name` is what failures call it.

    Raises TunnelError naming file and offset where the file is damaged: what came before has been yielded.
    """
    source = CaptureSource(stream, name)
    magic = source.take(4, "the first number")
    if magic in pcap.MAGICS:
        yield from pcap.read_pcap(source, magic)
    elif magic == pcapng.MAGIC:
        yield from pcapng.read_pcapng(source)
    elif magic[:2] in _COMPRESSED:
        source.fail(f"it is compressed with {_COMPRESSED[magic[:2]]}", "unpack it first")
    else:
        source.fail(f"it begins with {magic.hex()}", "pcap and pcapng are read; is it a capture at all?")
