"""Keeps packet fields within the widths the wire gives them, so that what was constructed can be serialized."""

from enum import Enum
from typing import TypeVar

from tunnelmgr.api.errors import WireError

Code = TypeVar("Code", bound=Enum)


def require_bits(name: str, value: int, bits: int) -> None:
    """Raise WireError unless `value` is an unsigned integer of at most `bits` bits."""
    if value >> bits:  # a negative value shifts to -1, never to 0
        raise WireError(f"{name} {value} does not fit in {bits} bits")


def require_code_zero(message: str, code: int) -> None:
    """Raise WireError unless the code of an ICMP message that defines no codes is zero."""
    if code:
        raise WireError(f"{message} with code {code}, must be 0")


def known_code(codes: type[Code], code: int) -> Code:
    """Return what a number stands for. Raises WireError for one without a meaning."""
    try:
        return codes(code)
    except ValueError:
        raise WireError(f"{codes.__name__} {code} is not known") from None
