from tunnelmgr.core.driving.traffic import OuterSocket
from tunnelmgr.core.running.obstacles import outer_passages
from tunnelmgr.host.passage import Passage

UDP = OuterSocket("udp", "0.0.0.0", 40000, None)  # noqa: S104
RAW41 = OuterSocket("raw41", "0.0.0.0", 0, "192.0.2.80")  # noqa: S104


def test_to_hear_a_far_end_what_is_sent_and_what_is_answered_must_pass() -> None:
    udp, raw41 = {"l4proto": "udp"}, {"l4proto": "ipv6"}
    answer = {"iifname": "eth0", "state": "established"}
    sent = {"oifname": "eth0", "state": "new"}
    assert outer_passages([UDP, RAW41], "eth0") == (
        Passage("what this host sends from UDP port 40000", "output", sent | udp, "ip"),
        Passage("answers to UDP port 40000", "input", answer | udp | {"dport": "40000"}, "ip"),
        Passage("what this host sends from protocol 41", "output", sent | raw41, "ip"),
        Passage("answers to protocol 41", "input", answer | raw41, "ip"),
    )
