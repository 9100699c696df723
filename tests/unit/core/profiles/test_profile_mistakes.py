"""Profiles wrong in many ways, and what is said about each: the exact text, with place, line and caret."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import pytest

from tunnelmgr.api.errors import ExitCode
from tunnelmgr.core.plugins import PluginRegistry
from tunnelmgr.core.profiles.loading import load_profile
from tunnelmgr.core.profiles.problem import ProblemSeverity, ProfileError

# (what is wrong, the profile, what is said)
MISTAKES = [
    (
        "a key with a typing mistake, of the transport: what it replaces is not missing too",
        """
        method:
            type: paper
            sever: 192.0.2.1
        """,
        """
        home.yaml:3:5: error: unknown key 'sever'; did you mean 'server'?
            sever: 192.0.2.1
            ^~~~~
        """,
    ),
    (
        "a key with a typing mistake, of the profile",
        """
        metod: {type: paper, server: a}
        """,
        """
        home.yaml:1:1: error: unknown key 'metod'; did you mean 'method'?
        metod: {type: paper, server: a}
        ^~~~~
        """,
    ),
    (
        "a key in the wrong place",
        """
        method: {type: paper, server: a}
        inbound: open
        """,
        """
        home.yaml:2:1: error: unknown key 'inbound'; it belongs into 'firewall'
        inbound: open
        ^~~~~~~
        """,
    ),
    (
        "a key nobody knows",
        """
        method: {type: paper, role: server, addresses: [192.0.2.1], doors: 2}
        """,
        """
        home.yaml:1:61: error: unknown key 'doors'; known keys are: addresses
        method: {type: paper, role: server, addresses: [192.0.2.1], doors: 2}
                                                                    ^~~~~
        """,
    ),
    (
        "a key given twice",
        """
        method: {type: paper, server: a}
        datapath: auto
        datapath: plain
        """,
        """
        home.yaml:3:1: error: key 'datapath' is given twice; remove one, the first is in line 2
        datapath: plain
        ^~~~~~~~
        """,
    ),
    (
        "a key missing",
        """
        method: {type: paper}
        """,
        """
        home.yaml:1:16: error: missing key 'server': name or address of the server
        method: {type: paper}
                       ^~~~~
        """,
    ),
    (
        "a key without value",
        """
        method:
          type: paper
          server:
        """,
        """
        home.yaml:3:3: error: 'server' has no value; give it one, or remove the line
          server:
          ^~~~~~
        """,
    ),
    (
        "no method",
        """
        network: {mtu: 1280}
        """,
        """
        home.yaml:1:1: error: the profile has no method; add 'method: {type: ...}' or a list 'methods:'
        network: {mtu: 1280}
        ^~~~~~~
        """,
    ),
    (
        "a method of which nothing is said",
        """
        method:
        """,
        """
        home.yaml:1:1: error: 'method' has no value; write `{type: ...}` behind it
        method:
        ^~~~~~
        """,
    ),
    (
        "methods of which nothing is said",
        """
        methods: ~
        """,
        """
        home.yaml:1:1: error: 'methods' has no value; write `{type: ...}` behind it
        methods: ~
        ^~~~~~~
        """,
    ),
    (
        "an empty list of methods",
        """
        methods: []
        """,
        """
        home.yaml:1:1: error: 'methods' is empty; name at least one
        methods: []
        ^~~~~~~
        """,
    ),
    (
        "one method and a list of them",
        """
        method: {type: paper, server: a}
        methods: [{type: paper, server: b}]
        """,
        """
        home.yaml:2:1: error: 'methods' beside 'method'; keep one of them
        methods: [{type: paper, server: b}]
        ^~~~~~~
        """,
    ),
    (
        "a method without type",
        """
        method: {server: a}
        """,
        """
        home.yaml:1:10: error: missing key 'type'; one of: paper, torn
        method: {server: a}
                 ^~~~~~
        """,
    ),
    (
        "a method that is a word",
        """
        methods: [paper]
        """,
        """
        home.yaml:1:11: error: 'methods' expects keys and values, not 'paper'
        methods: [paper]
                  ^~~~~
        """,
    ),
    (
        "a type with a typing mistake",
        """
        method: {type: papper, server: a}
        """,
        """
        home.yaml:1:16: error: unknown transport type 'papper'; did you mean 'paper'?
        method: {type: papper, server: a}
                       ^~~~~~
        """,
    ),
    (
        "a type that is not installed",
        """
        method: {type: wireguard}
        """,
        """
        home.yaml:1:16: error: unknown transport type 'wireguard'; installed are: paper, torn
        method: {type: wireguard}
                       ^~~~~~~~~
        """,
    ),
    (
        "a role the transport does not have",
        """
        method: {type: paper, role: sever, addresses: [192.0.2.1]}
        """,
        """
        home.yaml:1:29: error: transport 'paper' has no role 'sever'; did you mean 'server'?
        method: {type: paper, role: sever, addresses: [192.0.2.1]}
                                    ^~~~~
        """,
    ),
    (
        "a word of a choice with a typing mistake",
        """
        method: {type: paper, server: a}
        firewall: {inbound: opne}
        """,
        """
        home.yaml:2:21: error: 'inbound' expects 'established' or 'open', not 'opne'; did you mean 'open'?
        firewall: {inbound: opne}
                            ^~~~
        """,
    ),
    (
        "a word where a number or one other word may be",
        """
        method: {type: paper, server: a}
        network: {mtu: large}
        """,
        """
        home.yaml:2:16: error: 'mtu' expects a whole number or 'auto', not 'large'
        network: {mtu: large}
                       ^~~~~
        """,
    ),
    (
        "a number out of range",
        """
        method: {type: paper, server: a, port: 65536, weight: 0}
        network: {mtu: 1279}
        """,
        """
        home.yaml:1:40: error: 'port' must be at most 65535, not 65536
        method: {type: paper, server: a, port: 65536, weight: 0}
                                               ^~~~~
        home.yaml:1:55: error: 'weight' must be more than 0, not 0
        method: {type: paper, server: a, port: 65536, weight: 0}
                                                              ^
        home.yaml:2:16: error: 'mtu' must be at least 1280, not 1279
        network: {mtu: 1279}
                       ^~~~
        """,
    ),
    (
        "a number where text is expected",
        """
        method: {type: paper, server: [a, 7]}
        """,
        """
        home.yaml:1:35: error: 'server' expects text, not 7; put it in quotes
        method: {type: paper, server: [a, 7]}
                                          ^
        """,
    ),
    (
        "a number where an address is expected, which Python would take for one",
        """
        method: {type: paper, server: a, bind: 1}
        """,
        """
        home.yaml:1:40: error: 'bind': expected an address, not a number
        method: {type: paper, server: a, bind: 1}
                                               ^
        """,
    ),
    (
        "what is no address, no prefix",
        """
        method: {type: paper, server: a, bind: 192.0.2.256, deny: [9.1.0.0/8], address: 2001:db8::1/129}
        network: {probe: [2001:db8::1, 192.0.2.1]}
        """,
        """
        home.yaml:1:40: error: 'bind' expects an IPv4 address, not '192.0.2.256'
        method: {type: paper, server: a, bind: 192.0.2.256, deny: [9.1.0.0/8], address: 2001:db8::1/129}
                                               ^~~~~~~~~~~
        home.yaml:1:60: error: 'deny' expects an IPv4 prefix such as 192.0.2.0/24, not '9.1.0.0/8'; host bits set, 9.0.0.0/8?
        method: {type: paper, server: a, bind: 192.0.2.256, deny: [9.1.0.0/8], address: 2001:db8::1/129}
                                                                   ^~~~~~~~~
        home.yaml:1:81: error: 'address' expects an IPv6 address with its prefix length, not '2001:db8::1/129'
        method: {type: paper, server: a, bind: 192.0.2.256, deny: [9.1.0.0/8], address: 2001:db8::1/129}
                                                                                        ^~~~~~~~~~~~~~~
        home.yaml:2:32: error: 'probe' expects an IPv6 address, not '192.0.2.1'
        network: {probe: [2001:db8::1, 192.0.2.1]}
                                       ^~~~~~~~~
        """,
    ),
    (
        "an address that ends in a colon, unquoted",
        """
        method:
          type: paper
          server: 2001:db8::
        """,
        """
        home.yaml:3:20: error: a ':' where none may be; quote a value that contains one, or compare the indentation
          server: 2001:db8::
                           ^
        """,
    ),
    (
        "a list where a word is expected, and the reverse",
        """
        method: {type: paper, server: a, size: [1], deny: 192.0.2.0/24}
        lan: [eth0]
        """,
        """
        home.yaml:1:34: error: 'size' expects a whole number or text, not a list
        method: {type: paper, server: a, size: [1], deny: 192.0.2.0/24}
                                         ^~~~
        home.yaml:1:51: error: 'deny' expects a list, not '192.0.2.0/24'
        method: {type: paper, server: a, size: [1], deny: 192.0.2.0/24}
                                                          ^~~~~~~~~~~~
        home.yaml:2:1: error: 'lan' expects keys and values, not a list
        lan: [eth0]
        ^~~
        """,
    ),
    (
        "an empty list where one is needed",
        """
        method: {type: paper, server: []}
        """,
        """
        home.yaml:1:23: error: 'server' must not be empty
        method: {type: paper, server: []}
                              ^~~~~~
        """,
    ),
    (
        "settings that contradict each other: said at the type",
        """
        method:
          type: paper
          server: a
          relay: true
          port: 1
        """,
        """
        home.yaml:2:9: error: a relay of paper has no port
          type: paper
                ^~~~~
        """,
    ),
    (
        "conditions",
        """
        method: {type: paper, server: a, when: {nat: [symetric], public_ipv4: maybe, ipv6: true}}
        """,
        """
        home.yaml:1:47: error: 'nat': 'symetric' is no kind of NAT; did you mean 'symmetric'?
        method: {type: paper, server: a, when: {nat: [symetric], public_ipv4: maybe, ipv6: true}}
                                                      ^~~~~~~~
        home.yaml:1:71: error: 'public_ipv4' expects true or false, not 'maybe'
        method: {type: paper, server: a, when: {nat: [symetric], public_ipv4: maybe, ipv6: true}}
                                                                              ^~~~~
        home.yaml:1:78: error: unknown key 'ipv6'; known keys are: nat, public_ipv4, native_ipv6, interface
        method: {type: paper, server: a, when: {nat: [symetric], public_ipv4: maybe, ipv6: true}}
                                                                                     ^~~~
        """,
    ),
    (
        "a negation as a tag, a condition that is a word",
        """
        methods:
          - {type: paper, server: a, when: {nat: !symmetric }}
          - {type: paper, server: a, when: symmetric}
        """,
        """
        home.yaml:2:42: error: tag '!symmetric'; for a negation write 'not', for text quote it
          - {type: paper, server: a, when: {nat: !symmetric }}
                                                 ^~~~~~~~~~
        home.yaml:3:30: error: 'when' expects keys and values; as in 'when: {nat: symmetric}'
          - {type: paper, server: a, when: symmetric}
                                     ^~~~
        """,
    ),
    (
        "secrets that cannot be had: neither they nor what might be one is shown",
        """
        methods:
          - {type: paper, server: a, login: {username: me, key: {file: he.key}}}
          - {type: paper, server: a, login: {username: me, key: {env: TUNNELMGR_NO_SUCH_KEY}}}
          - {type: paper, server: a, login: {username: me, key: {credential: he}}}
          - {type: paper, server: a, login: {username: me, key: {vault: he}}}
          - {type: paper, server: a, login: {usrname: me, key: 123456}}
          - {type: paper, server: a, login: {username: me, key: ""}}
          - {type: paper, role: server, addresses: [], passwort: "hunter2"}
        """,
        """
        home.yaml:2:52: error: 'key': secret file 'he.key' cannot be read: No such file or directory
          - {type: paper, server: a, login: {username: me, key: {file: he.key}}}
                                                           ^~~
        home.yaml:3:52: error: 'key': environment variable 'TUNNELMGR_NO_SUCH_KEY' is not set
          - {type: paper, server: a, login: {username: me, key: {env: TUNNELMGR_NO_SUCH_KEY}}}
                                                           ^~~
        home.yaml:4:52: error: 'key': credential 'he': no $CREDENTIALS_DIRECTORY; use systemd's LoadCredential=he
          - {type: paper, server: a, login: {username: me, key: {credential: he}}}
                                                           ^~~
        home.yaml:5:52: error: 'key': expected {file: NAME}, {credential: NAME}, {env: NAME} or text in quotes
          - {type: paper, server: a, login: {username: me, key: {vault: he}}}
                                                           ^~~
        home.yaml:6:38: error: unknown key 'usrname'; did you mean 'username'?
          - {type: paper, server: a, login: {usrname: me, key: ******}}
                                             ^~~~~~~
        home.yaml:6:56: error: 'key': expected {file: NAME}, {credential: NAME}, {env: NAME} or text in quotes
          - {type: paper, server: a, login: {usrname: me, key: ******}}
                                                               ^~~~~~
        home.yaml:7:52: error: 'key': the secret is empty
          - {type: paper, server: a, login: {username: me, key: **}}
                                                           ^~~
        home.yaml:8:48: error: unknown key 'passwort'; known keys are: addresses
          - {type: paper, role: server, addresses: [], passwort: *********}
                                                       ^~~~~~~~
        """,
    ),
    (
        "a secret in a file that is no YAML",
        """
        method: {type: paper
        login: {key: hunter2, }
        """,
        """
        home.yaml:2:6: error: not YAML: expected ',' or '}', but got ':'
        login: {key: *******, }
             ^
        """,
    ),
    (
        "a name that cannot name a file",
        """
        name: ../home
        method: {type: paper, server: a}
        """,
        """
        home.yaml:1:7: error: 'name': '../home' is no profile name; it takes letters, digits, '.', '_' and '-'
        name: ../home
              ^~~~~~~
        """,
    ),
    (
        "no mapping at all",
        """
        - type: paper
        """,
        """
        home.yaml:1:1: error: a profile consists of keys and values; begin with 'method: {type: ...}'
        - type: paper
        ^
        """,
    ),
    (
        "indentation",
        """
        method:
          type: paper
         server: a
        """,
        """
        home.yaml:3:2: error: this line does not belong to the lines above it; compare the indentation
         server: a
         ^
        """,
    ),
    (
        "a mistake beside a plugin that is broken: the mistake, since who mends it may not need the plugin",
        """
        methods: [{type: torn}, {type: paper}]
        """,
        """
        home.yaml:1:32: error: missing key 'server': name or address of the server
        methods: [{type: torn}, {type: paper}]
                                       ^~~~~
        """,
    ),
    (
        "STUN servers that are none",
        """
        method: {type: paper, server: a}
        detect: {stun: ["a:b", "1.2.3.4:0", "a b"]}
        """,
        """
        home.yaml:2:17: error: 'stun': 'a:b': 'b' is not a port; write a number from 1 to 65535
        detect: {stun: ["a:b", "1.2.3.4:0", "a b"]}
                        ^~~~~
        home.yaml:2:24: error: 'stun': '1.2.3.4:0': '0' is not a port; write a number from 1 to 65535
        detect: {stun: ["a:b", "1.2.3.4:0", "a b"]}
                               ^~~~~~~~~~~
        home.yaml:2:37: error: 'stun': 'a b' is neither a host name nor an IPv4 address
        detect: {stun: ["a:b", "1.2.3.4:0", "a b"]}
                                            ^~~~~
        """,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "said"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_every_mistake_is_named_at_its_place(
    plugins: PluginRegistry,
    write_profile: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    profile: str,
    said: str,
) -> None:
    monkeypatch.chdir(write_profile(dedent(profile).removeprefix("\n")).parent)
    with pytest.raises(ProfileError) as raised:
        load_profile(Path("home.yaml"), plugins)
    assert "\n" + indent(str(raised.value), " " * 8) + "\n" + " " * 8 == said
    assert raised.value.exit_code is ExitCode.INVALID


def test_problems_are_plain_data_too(plugins: PluginRegistry, write_profile: Callable[[str], Path]) -> None:
    path = write_profile("method: {type: paper, sever: a}\n")
    with pytest.raises(ProfileError) as raised:
        load_profile(path, plugins)
    (problem,) = raised.value.problems
    assert problem.severity is ProblemSeverity.ERROR
    assert problem.data() == {
        "file": str(path),
        "line": 1,
        "column": 23,
        "severity": "error",
        "message": "unknown key 'sever'",
        "hint": "did you mean 'server'?",
    }
