import pytest

from tunnelmgr.api.packets.checksum import checksum_is_valid, fold, internet_checksum, word_sum


def test_the_example_of_rfc_1071_section_3_sums_to_ddf2() -> None:
    assert fold(word_sum(bytes.fromhex("0001f203f4f5f6f7"))) == 0xDDF2


def test_a_known_ipv4_header_checks() -> None:
    header = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7")
    assert checksum_is_valid(header)
    assert internet_checksum(header[:10] + bytes(2) + header[12:]) == 0xB861


def test_an_odd_byte_is_padded_on_the_right() -> None:
    assert internet_checksum(b"\x12") == internet_checksum(b"\x12\x00")


@pytest.mark.parametrize(("data", "checksum"), [(b"", 0xFFFF), (bytes(8), 0xFFFF), (b"\xff\xff", 0), (b"\xff\xff" * 3, 0)])
def test_the_two_zeros_of_ones_complement_are_told_apart(data: bytes, checksum: int) -> None:
    assert internet_checksum(data) == checksum
