"""One full life of an order through the real processes: its journal is the page in the documentation, to the cent."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from temporalio.client import Client

from capabilities.account.contract import AccountKind, Phase
from tests.workflows.driving import Sessions
from tests.workflows.life import Life, live
from tests.workflows.life_told import document
from workflows.worker import load_operations
from zhongtai.verify import verify

PAGE = Path(__file__).resolve().parents[2] / "docs" / "the-life-of-an-order.md"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated provider signs its messages with a secret made of this one; set before the settings are read."""
    monkeypatch.setenv("ZHONGTAI_SECRET_KEY", "a secret of this test, as long as one has to be")


def counted(life: Life) -> dict[tuple[str, str], int]:
    """What every account holds, counted from the rows of the page alone."""
    found: Counter[tuple[str, str]] = Counter()
    for step in life.steps:
        for move in step.moves:
            if move.phase is not Phase.PENDING:
                for ref, sign in ((move.debit, 1), (move.credit, -1)):
                    grows = sign if ref.side == "asset" else -sign
                    found[ref.kind.value, ref.party] += grows * move.amount_minor
    return dict(found)


async def test_the_page_tells_the_life_of_an_order_as_the_ledger_has_it(
    secret: None, wired: Sessions, client: Client, worker: None
) -> None:
    load_operations()
    life = await live(wired, client)
    text = document(life)
    if os.environ.get("ZHONGTAI_WRITE_DOCS"):
        PAGE.write_text(text, encoding="utf-8")
    assert text == PAGE.read_text(encoding="utf-8")

    balances = {(ref.kind.value, ref.party): balance for ref, balance in life.trial.balances}
    assert {key: balance.minor for key, balance in balances.items()} == counted(life)
    assert life.trial.debits_minor == life.trial.credits_minor
    assert {(one.debits_pending_minor, one.credits_pending_minor) for one in balances.values()} == {(0, 0)}
    at_rest = (AccountKind.SALES_IN_TRANSIT, AccountKind.CHARGEBACKS)
    assert {kind: balances[kind.value, ""].minor for kind in at_rest} == dict.fromkeys(at_rest, 0)
    with wired() as session:
        assert [(found.number, found.broken) for found in verify(session) if found.broken] == []
