"""DIGEST-MD5 against the exchange gogoc accepted (docs/protocols/tsp.md section 6.3)."""

import base64

import pytest

from tunnelmgr.api.errors import WireError
from tunnelmgr_tsp.wire.digest import DigestChallenge, DigestResponse, DigestSecret, is_rspauth, prove, rspauth_line

CHALLENGE = DigestChallenge(b"lab.example", b"zCOog76dHaLH")
RSPAUTH = b"9ee0273efbac3c692b0e35e70fe367ca"


def line(words: str) -> bytes:
    return base64.b64encode(words.encode()) + b"\r\n"


@pytest.mark.requirement("TSP-09", "TSP-10")
def test_the_exchange_gogoc_accepted() -> None:
    assert DigestSecret.of(b"alice", b"lab.example", b"wonder").hash.hex() == "bc2302ebb62f975ec6471a92515eb7b2"
    proof, expected = prove(CHALLENGE, "alice", "wonder", "192.0.2.1", b"1795399249")
    assert proof.response == b"54f4bffe9d67f2a2ea66689db35b386f"
    assert expected == RSPAUTH
    assert DigestResponse.parse(proof.serialize()) == proof
    assert is_rspauth(rspauth_line(RSPAUTH), expected)


def test_a_challenge_is_laid_out_for_gogoc_and_read_back() -> None:
    assert base64.b64decode(CHALLENGE.serialize()) == (
        b'realm="lab.example",nonce="zCOog76dHaLH",qop="auth",algorithm=md5-sess,charset=utf-8'
    )
    assert DigestChallenge.parse(CHALLENGE.serialize()) == CHALLENGE


@pytest.mark.parametrize(
    ("words", "challenge"),
    [
        ('nonce="a,b\\"c"', DigestChallenge(b"", b'a,b"c', None)),
        ('realm="one",realm="two",nonce="n",qop="auth-conf, auth"', DigestChallenge(b"one", b"n", None)),
        ("realm=bare , nonce=n,charset=utf8, stale=true", DigestChallenge(b"bare", b"n", b"utf8")),
    ],
)
def test_challenges_of_others(words: str, challenge: DigestChallenge) -> None:
    assert DigestChallenge.parse(line(words)) == challenge


@pytest.mark.parametrize(
    "words",
    [
        "",
        'realm="r"',
        'nonce=""',
        'nonce="n",nonce="m"',
        'nonce="n",qop="auth-conf"',
        'nonce="n",algorithm=sha',
        'nonce="n',
        '"',
    ],
)
def test_a_challenge_that_cannot_be_met_is_refused(words: str) -> None:
    with pytest.raises(WireError):
        DigestChallenge.parse(line(words))


@pytest.mark.parametrize("text", [b"not base64!\r\n", b"", base64.b64encode(b"x" * 4096)])
def test_what_is_no_sasl_is_refused(text: bytes) -> None:
    with pytest.raises(WireError):
        DigestChallenge.parse(text)


@pytest.mark.parametrize("wrong", ["rspauth=", "rspauth=0", f"rspauth={'0' * 32}", "nothing=1"])
def test_a_wrong_rspauth_is_told_from_the_right_one(wrong: str) -> None:
    assert not is_rspauth(line(wrong), RSPAUTH)


@pytest.mark.requirement("TSP-09")
@pytest.mark.parametrize(("old", "new"), [(b"tsp/", b"imap/"), (b"00000001", b"00000002"), (b'username="a\\"b"', b"x=1")])
def test_a_proof_for_something_else_is_refused(old: bytes, new: bytes) -> None:
    proof, _ = prove(CHALLENGE, 'a"b', "wonder", "b.example", b"c")
    words = base64.b64decode(proof.serialize())
    assert old in words
    with pytest.raises(WireError):
        DigestResponse.parse(base64.b64encode(words.replace(old, new)))


def test_a_name_with_quotes_survives() -> None:
    proof, _ = prove(CHALLENGE, 'al"i\\ce', "wonder", "b.example", b"c")
    assert DigestResponse.parse(proof.serialize()).username == b'al"i\\ce'
