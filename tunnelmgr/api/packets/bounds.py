"""Keeps packet fields within the widths the wire gives them, so that what was constructed can be serialized."""

from tunnelmgr.api.errors import WireError


def require_bits(name: str, value: int, bits: int) -> None:
    """Raise WireError unless `value` is an unsigned integer of at most `bits` bits."""
    if value >> bits:  # a negative value shifts to -1, never to 0
        raise WireError(f"{name} {value} does not fit in {bits} bits")


def require_code_zero(message: str, code: int) -> None:
    """Raise WireError unless the code of an ICMP message that defines no codes is zero."""
    if code:
        raise WireError(f"{message} with code {code}, must be 0")
