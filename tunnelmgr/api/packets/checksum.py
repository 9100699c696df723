"""The internet checksum (RFC 1071) and the pseudo-headers that UDP and ICMPv6 sum with it (RFC 768, RFC 8200 section 8.1).

Sums are plain integers here, folded to 16 bits only at the end: Python adds long integers quickly and words slowly.
"""

from ipaddress import IPv4Address, IPv6Address

IpAddress = IPv4Address | IPv6Address


def internet_checksum(data: bytes, pseudo_header: int = 0) -> int:
    """Return the 16-bit checksum to write where `data` holds zero; `pseudo_header` is a sum to start from."""
    return 0xFFFF - fold(word_sum(data) + pseudo_header)


def checksum_is_valid(data: bytes, pseudo_header: int = 0) -> bool:
    """Tell whether `data`, its checksum field included, sums up as RFC 1071 section 1 wants."""
    return fold(word_sum(data) + pseudo_header) == 0xFFFF


def pseudo_header_sum(source: IpAddress, destination: IpAddress, protocol: int, length: int) -> int:
    """Return the unfolded sum of the pseudo-header; `length` is that of the upper-layer packet in bytes."""
    # Both families come out alike, because fold() takes words from an integer wherever they stand in it.
    return int(source) + int(destination) + protocol + length


def word_sum(data: bytes) -> int:
    """Return an integer that folds to the one's complement sum of the 16-bit words of `data`, padded to whole words."""
    return int.from_bytes(data, "big") << 8 * (len(data) & 1)


def fold(total: int) -> int:
    """Fold a sum of any size to 16 bits, carries added back in."""
    # 65536 is 1 modulo 65535, so the remainder is the sum of all words. Of the two zeros of one's complement
    # arithmetic only a sum over nothing but zeros is 0x0000; every other multiple of 65535 is 0xFFFF.
    return total % 0xFFFF or (0xFFFF if total else 0)
