"""Clients, ours and Debian's, behind real NATs call each other: the diagonal, the border, and what once failed.

`make nat-matrix` asks for every cell, which takes three minutes, and writes the answers into plugins/teredo/README.md.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.netns.teredo.nat_matrix import CONNECTED, KINDS, PINGS, Cell, Client, connects, matrix_internet
from tunnelmgr.lab.vocabulary import NatKind

PAIRINGS = [pair for pair in product(Client, Client) if Client.OURS in pair]
DIAGONAL = {(kind, kind) for kind in KINDS}
BORDER = {
    (NatKind.ADDRESS_RESTRICTED, NatKind.SYMMETRIC),
    (NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC),
    (NatKind.SYMMETRIC, NatKind.ADDRESS_RESTRICTED),
    (NatKind.SYMMETRIC, NatKind.PORT_RESTRICTED),
}
PAST_FAILURES = {
    (NatKind.PORT_RESTRICTED, NatKind.PORT_RESTRICTED_OPEN_BOX),
    (NatKind.PORT_RESTRICTED_OPEN_BOX, NatKind.PORT_RESTRICTED),
}


@pytest.mark.usefixtures("miredo_programs")
@pytest.mark.requirement("T-TX-005", "T-TX-011", "T-RX-004", "T-RX-006", "T-RX-013", "T-EX-004", "T-EX-005")
def test_our_clients_and_debian_s_meet_wherever_they_can(lab_name: Callable[[], str], tmp_path: Path) -> None:
    asked = [Cell(*pair, *nats) for pair in PAIRINGS for nats in sorted(DIAGONAL | BORDER | PAST_FAILURES, key=str)]
    with matrix_internet(lab_name(), asked, tmp_path) as internet:
        answered = internet.answered(asked)
    wrong = {str(cell): count for cell, count in answered.items() if (count >= CONNECTED) is not connects(cell)}
    assert wrong == {}
    lost = {str(cell): count for cell, count in answered.items() if cell.caller is Client.OURS and 0 < count < PINGS}
    assert lost == {}, "our client loses none, the first included"


@pytest.mark.usefixtures("miredo_programs")
@pytest.mark.requirement("T-SV-012", "T-SV-013", "T-SV-017")
def test_debian_s_clients_meet_through_our_server_wherever_they_do_through_its_own(
    lab_name: Callable[[], str], tmp_path: Path
) -> None:
    cells = [Cell(Client.DEBIANS, Client.DEBIANS, *nats) for nats in product(KINDS, repeat=2)]
    asked = [cell for cell in cells if connects(cell)]
    with matrix_internet(lab_name(), asked, tmp_path, server_is=Client.OURS) as internet:
        answered = internet.answered(asked)
    assert {str(cell): count for cell, count in answered.items() if count < CONNECTED} == {}
