"""The scenarios that come with the lab."""

import shutil
from dataclasses import replace
from ipaddress import IPv4Address

from tunnelmgr.lab.readymade.scenario import Happens, Say, Scenario, Type
from tunnelmgr.lab.readymade.topology import WEB_NAME
from tunnelmgr.lab.vocabulary import NatKind

NOTICED_WITHIN = 90.0
"""Seconds; a client asks its server every 30 s at most, and takes up to 12 s to find out what its NAT has become."""
BACK_WITHIN = 90
"""Seconds; a client without a server asks ever less often."""
_PING = f"ping -6 -c 3 -i 0.3 -W 5 {WEB_NAME}"
_PING_AGAIN = Type("client1", f"ping -6 -c 1 -W 2 {WEB_NAME}", within=NOTICED_WITHIN)
_MOVED_TO = IPv4Address("203.0.113.41")
_UP = Type("client1", "tunnelmgr up home")
_DOWN = Type("client1", "tunnelmgr down home")


def _fetch() -> str:
    """The words that fetch the web page with what this machine has."""
    if shutil.which("curl"):
        return f"curl -6 -sS -m 10 http://{WEB_NAME}/"
    return (
        f"""python3 -c "import urllib.request as u; print(u.urlopen('http://{WEB_NAME}/', timeout=10).read().decode())" """
    )


DEMO = Scenario(
    "demo",
    "A host behind a NAT gets IPv6",
    (
        Say(
            """\
An internet of network namespaces, on this machine only:

    client1 --- NAT --- the IPv4 internet ---+--- server   teredo.example.net: tunnelmgr as Teredo server
                                             '--- relay    tunnelmgr as Teredo relay --- the IPv6 internet
                                                                                              |
                                                                    web   ipv6-only.example.net, has no IPv4

client1 has no IPv6:"""
        ),
        Type("client1", f"ping -6 -c 1 -W 2 {WEB_NAME}", fails=True),
        Say("With a tunnel. It looks at the NAT, gets an address, and says so:"),
        _UP,
        Say("Now client1 reaches what has only IPv6:"),
        Type("client1", _PING),
        Type("client1", _fetch(), shows="IPv6"),
        Say("Who carries the packets, and how:"),
        Type("client1", "tunnelmgr status home --peers"),
        Say("And all of it is taken back:"),
        _DOWN,
        Say(
            """\
That was all real: namespaces, NAT, programs; and it is gone. Where to look next:

    tunnelmgr lab up --nat symmetric                  the same internet, to play with; then
    tunnelmgr lab exec client1 tunnelmgr up home
    tunnelmgr lab status                              who is there, and what runs
    tunnelmgr lab run                                 more stories: a NAT that changes, a server that dies
    README.md                                         a tunnel on the real internet"""
        ),
    ),
)

NAT_CHANGE = Scenario(
    "nat-change",
    "The router at home is replaced by one of another kind",
    (
        _UP,
        Type("client1", _PING),
        Happens("the NAT of client1 becomes symmetric", lambda lab: lab.change_nat("client1", NatKind.SYMMETRIC)),
        Say("The client finds out the next time it asks its server:"),
        Type("client1", "tunnelmgr status home", shows=r"NAT +symmetric", within=NOTICED_WITHIN),
        _PING_AGAIN,
        _DOWN,
    ),
)

NAT_RESTART = Scenario(
    "nat-restart",
    "The router at home restarts and forgets everybody",
    (
        _UP,
        Type("client1", _PING),
        Happens("the NAT of client1 restarts", lambda lab: lab.forget_mappings("client1")),
        Say(
            "With the mapping the Teredo address may be gone, too. Packets flow again when the client has asked its server:"
        ),
        _PING_AGAIN,
        _DOWN,
    ),
    nats=(NatKind.SYMMETRIC,),
)

SERVER_DIES = Scenario(
    "server-dies",
    "The Teredo server has a power failure, and comes back",
    (
        _UP,
        Type("client1", _PING),
        Happens("power failure at server", lambda lab: lab.kill("server")),
        Say("The server carries no packets: whom the client knows already, it reaches until it misses the server."),
        Type("client1", _PING),
        Type("client1", "tunnelmgr status home", shows="no answer from 192.0.2.1", fails=True, within=NOTICED_WITHIN),
        Happens("server is back", lambda lab: lab.start("server")),
        Type("client1", f"tunnelmgr wait home --timeout {BACK_WITHIN}"),
        _PING_AGAIN,
        _DOWN,
    ),
)

ROAMING = Scenario(
    "roaming",
    "The provider gives the router at home another address",
    (
        _UP,
        Type("client1", _PING),
        Happens("the NAT of client1 gets the address 203.0.113.41", lambda lab: lab.move("client1", _MOVED_TO)),
        Say("The Teredo address holds the router's address, so it changes with it:"),
        Type("client1", "tunnelmgr status home", shows=r"mapped +203\.0\.113\.41:", within=NOTICED_WITHIN),
        _PING_AGAIN,
        _DOWN,
    ),
)

SCENARIOS = {scenario.name: scenario for scenario in (DEMO, NAT_CHANGE, NAT_RESTART, SERVER_DIES, ROAMING)}


def demo(nat: NatKind) -> Scenario:
    """Return the demonstration behind a NAT of this kind."""
    return replace(DEMO, nats=(nat,))
