"""What a lab was built with, in words and in its file."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from tunnelmgr.api.errors import TunnelError
from tunnelmgr.lab.readymade.description import Client, Description, Router, describe
from tunnelmgr.lab.vocabulary import Link, NatKind


def test_a_lab_nobody_chose_anything_for_has_two_home_routers() -> None:
    assert describe("lab").clients == (
        Client("client1", IPv4Address("203.0.113.1"), Router(NatKind.PORT_RESTRICTED)),
        Client("client2", IPv4Address("203.0.113.2"), Router(NatKind.PORT_RESTRICTED)),
    )


def test_a_single_word_is_for_both_clients() -> None:
    assert [client.router.nat for client in describe("lab", [NatKind.SYMMETRIC]).clients] == [NatKind.SYMMETRIC] * 2


def test_words_are_for_the_clients_in_their_order() -> None:
    lab = describe("lab", [NatKind.FULL_CONE, NatKind.SYMMETRIC], delays=[0.1], losses=[0.0, 0.5], mtus=[1400, 1300])
    assert [client.router.nat for client in lab.clients] == [NatKind.FULL_CONE, NatKind.SYMMETRIC]
    assert [client.router.link for client in lab.clients] == [
        Link(delay=0.1, loss_rate=0.0, mtu=1400),
        Link(delay=0.1, loss_rate=0.5, mtu=1300),
    ]


def test_a_description_comes_back_from_its_file() -> None:
    described = replace(describe("lab", [NatKind.NONE], [0.02], [0.01], [1400]), complete=True)
    assert Description.parse(described.serialize()) == described


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lab": "x", "complete": true, "clients": [{"name": "client1"}]}'])
def test_a_file_that_is_no_description_is_named(text: str) -> None:
    with pytest.raises(TunnelError, match="description of the lab cannot be read"):
        Description.parse(text)


def test_a_client_is_replaced_by_its_name() -> None:
    lab = describe("lab")
    changed = replace(lab.client("client2"), router=Router(NatKind.SYMMETRIC))
    assert lab.with_client(changed).clients == (lab.clients[0], changed)


def test_a_client_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(TunnelError, match="'client9'; there are client1, client2"):
        describe("lab").client("client9")
