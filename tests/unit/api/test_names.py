"""What can be the name of a server, and what cannot."""

import pytest

from tunnelmgr.api.names import ServerName, host_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("teredo.example.net", "teredo.example.net"),
        ("localhost", "localhost"),
        ("example.net.", "example.net."),
        ("192.0.2.1", "192.0.2.1"),
        ("_sip.1-2.example", "_sip.1-2.example"),
        ("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "xn--bcher-kva.example"),
        ("a\N{IDEOGRAPHIC FULL STOP}example", "a.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_name_is_told_as_it_is_looked_up(text: str, name: str) -> None:
    assert host_name(text) == name
    assert ServerName.parse(text) == ServerName(name)
    assert ServerName.parse(f"{text}:65535") == ServerName(name, 65535)


NO_NAMES = [
    "",
    ".",
    " ",
    "a b",
    " a",
    "a\n",
    "a\0",
    "a..b",
    ".a",
    "-a.example",
    "a-.example",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "0x7f.1",
    "a.0x1",
    "2001:db8::1",
    "[2001:db8::1]",
    "[2001:db8::1]:80",
    "::1",
    "http://a.example/",
    "https://a.example",
    "a.example/x",
    "user@a.example",
    "a" * 64 + ".example",
    ".".join(["a" * 60] * 5),
    "\N{ACCOUNT OF}.example",  # its canonical form has a slash
    "\udcff.example",
    "a%eth0",
]


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_no_name_is_refused_with_or_without_a_port(text: str) -> None:
    for refuse in (host_name, ServerName.parse):
        with pytest.raises(ValueError, match=r"\w"):
            refuse(text)
    with pytest.raises(ValueError, match=r"\w"):
        ServerName.parse(f"{text}:80")


@pytest.mark.parametrize("port", ["0", "65536", "", "x", "-1", "\N{SUPERSCRIPT TWO}", "1" * 5000])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match="not a port"):
        ServerName.parse(f"a.example:{port}")


def test_a_port_where_it_is_fixed_is_named() -> None:
    with pytest.raises(ValueError, match=r"'a\.example:3544' has a port, and the port is fixed here; write 'a\.example'"):
        host_name("a.example:3544")
