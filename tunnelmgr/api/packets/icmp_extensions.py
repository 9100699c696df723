"""The extensions (MPLS labels, interface names) that an ICMP error may carry behind its quote (RFC 4884). We skip them."""

QUOTE_BEFORE_EXTENSIONS_MIN = 128  # bytes; RFC 4884 section 4


def without_extensions(quote: bytes, length: int) -> bytes:
    """Return `quote` without what follows its first `length` bytes, where `length` was read from the message.

    A length too short or too long is one that an old sender left in a field then unused: all is quote.
    """
    return quote[:length] if QUOTE_BEFORE_EXTENSIONS_MIN <= length <= len(quote) else quote
