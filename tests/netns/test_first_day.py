"""The first day of a user, as text: what `up`, `status` and `down` say behind a port-restricted NAT.

Only what differs from run to run is replaced: `<port>`, `<time>`, `<address>`, `<bytes>`, `<count>`, `<folder>`, `<log>`.
"""

import re
import sys
from pathlib import Path

import pytest

from tests.netns.program import Tunnelmgr, ping
from tests.peers.teredo_internet import TeredoInternet

STORY = """
home: starting, teredo, server teredo.example.net
home: NAT port-restricted, you appear as 203.0.113.1:<port>
home: qualified in <time>
home: tm-home <address>  MTU 1280, default route, inbound closed
home: carries packets: 2 of 2 probes, <time>, via relay 198.51.100.1
"""

SCREEN = """
home: up for <time>
  method            teredo client, qualified
  device            tm-home, MTU 1280
  address           <address>
  default route     through this tunnel
  inbound           closed: answers, ICMPv6 errors and echo requests pass
  proof             carries packets: 2 of 2 probes, <time>, via relay 198.51.100.1
  server            teredo.example.net (192.0.2.1)
  NAT               port-restricted
  NAT candidates    address-restricted, port-restricted
  mapped            203.0.113.1:<port>
  local             192.168.1.2:<port>
  port preserved    yes
  round trip        <time>
  refresh interval  <time>
  relay             198.51.100.1:3545
  peers             1 (1 relay)
  traffic           received <bytes> in <count> packets, sent <bytes> in <count>
  data path         plain (this version carries UDP by the plain path only)
  privacy           not encrypted: whoever carries the packets can read them
  note              where a name has both, programs use IPv4: RFC 6724 ranks Teredo addresses below it, and nothing is wrong [TM-H013]
                    for IPv6 first, put these lines into /etc/gai.conf:
                      label ::1/128 0
                      label ::/0 1
                      label 2002::/16 2
                      label ::/96 3
                      label ::ffff:0:0/96 4
                      label fec0::/10 5
                      label fc00::/7 6
  profile           <folder>/home.yaml
  log               <log>

  peer           endpoint           path   heard    sent
  2001:db8:6::1  198.51.100.1:3545  relay  <time> ago  <time> ago
"""  # noqa: E501 - a screen as it is shown


@pytest.fixture
def home(home: Tunnelmgr, far_end: TeredoInternet) -> Tunnelmgr:
    """Its profile names whom to ask for the proof."""
    home.profile.write_text(f'{home.profile.read_text()}network: {{probe: ["{far_end.native.ipv6}"]}}\n')
    return home


def general(text: str, home: Tunnelmgr) -> str:
    """Return a text without what differs from run to run."""
    text = text.replace(str(home.folder), "<folder>")
    for pattern, replacement in (
        (r"2001:0:c000:201:[0-9a-f:]+", "<address>"),
        (r"((?:203\.0\.113|10\.\d+\.\d+|192\.168\.\d+|0\.0\.0)\.\d+):\d+", r"\1:<port>"),
        (r"\b[\d.]+ (ms|s|min)\b", "<time>"),
        (r"\b[\d.]+ (B|KiB)\b", "<bytes>"),
        (r"  log +.*", "  log               <log>"),
        (r"full-cone, (?=address-restricted)", ""),  # until three answers have stayed away for 12 s
        (r"in \d+ packets, sent <bytes> in \d+", "in <count> packets, sent <bytes> in <count>"),
    ):
        text = re.sub(pattern, replacement, text)
    return text


def test_the_story_and_the_screen(far_end: TeredoInternet, home: Tunnelmgr) -> None:
    assert general("\n".join(home.up()), home) == STORY.strip()
    assert ping(far_end.home.inside, far_end.native.ipv6, 2) == 2
    assert general(home.run("status", "home", "--peers").stdout, home).strip() == SCREEN.strip()
    assert home.run("down", "home").stderr == "home: down\n"
    assert home.traces() == []


WHICH_FIRST = "import socket; print(socket.getaddrinfo('dual.example.net', 80, type=socket.SOCK_STREAM)[0][4][0])"


def test_programs_use_ipv4_first_until_the_lines_that_status_shows_are_pasted(
    far_end: TeredoInternet, home: Tunnelmgr, tmp_path: Path
) -> None:
    far_end.internet.host("dual", "198.51.100.80", "2001:db8:9::1", names=["dual.example.net"])
    home.up()
    shown = home.run("status", "home").stdout
    pasted = tmp_path / "gai.conf"
    pasted.write_text("".join(f"{line.strip()}\n" for line in shown.splitlines() if line.strip().startswith("label ")))
    ask = [sys.executable, "-c", WHICH_FIRST]
    assert home.host.run(ask).stdout.strip() == "198.51.100.80"
    with_lines = ["unshare", "-m", "sh", "-c", f'mount --bind {pasted} /etc/gai.conf; exec "$@"', "sh"]
    assert home.host.run([*with_lines, *ask]).stdout.strip() == "2001:db8:9::1"
