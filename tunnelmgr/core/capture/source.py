"""A capture file as a stream of bytes that knows where it stands, so that what is wrong with it is named with its place."""

from typing import BinaryIO, NoReturn

from tunnelmgr.api.errors import TunnelError


class CaptureSource:
    """Reads forward only: a pipe will do. Of what was read nothing is kept."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.offset = 0
        """Bytes read."""

    def take(self, size: int, what: str) -> bytes:
        """Return the next `size` bytes. Raises TunnelError when there are fewer."""
        data = self._stream.read(size)
        if len(data) < size:
            self.fail(f"it ends within {what}: {len(data)} of {size} bytes are there", "it was cut short")
        self.offset += size
        return data

    def take_or_end(self, size: int, what: str) -> bytes:
        """Return the next `size` bytes, nothing at the end of the file. Raises TunnelError for anything between."""
        data = self._stream.read(1)
        if not data:
            return b""
        self.offset += 1
        return data + self.take(size - 1, what)

    def fail(self, what: str, hint: str = "the file is damaged, or not of this format") -> NoReturn:
        """Raise TunnelError about the place reached."""
        raise TunnelError(f"{self._name}, byte {self.offset}: {what}", hint=hint)
