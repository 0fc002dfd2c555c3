"""Sellers paid on a real Temporal server: due, planned, approved by another person, paid by the bank, reconciled."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import Client

from capabilities.account.contract import AccountKind, AccountRef
from capabilities.account.queries import balance_of
from capabilities.payment.acts import acts_of_provider
from capabilities.payment.providers.simulator_statement import fee_of
from capabilities.settlement.banks.simulator import SimulatedBank
from capabilities.settlement.contract import PayoutStatus, SellerBalance
from capabilities.settlement.extensions import register_bank
from capabilities.settlement.queries_payout import balances_of, batches_page, payout_counts
from capabilities.settlement.queries_reconciliation import recon_counts
from capabilities.settlement.queries_statement import statements_page
from tests.builders import live_rules
from tests.workflows.aftersale import begin_process, bought, decide, told
from tests.workflows.driving import Sessions, answered, until
from workflows.worker import load_operations
from zhongtai.demo import load_demo
from zhongtai.verify import verify


@pytest.fixture
def shop(wired: Sessions) -> Any:
    load_operations()
    with wired.begin() as session:
        load_demo(session)
        pay_at_once = {"kind": "pay_after", "days": 0, "starts": "confirmed"}
        live_rules(
            session,
            {"id": "r", "name": "At once", "stage": 10, "effects": [pay_at_once]},
            decision="settlement.maturing",
        )
    register_bank("simulator", SimulatedBank(lambda: wired, silence_s=0.1))
    yield wired
    register_bank("simulator", SimulatedBank())


def broken_ones(sessions: Sessions) -> list[Any]:
    with sessions() as session:
        return [(found.number, found.broken) for found in verify(session) if found.broken]


def balances(sessions: Sessions) -> tuple[SellerBalance, ...]:
    with sessions() as session:
        return balances_of(session, "retail")


def owed_by_the_ledger(sessions: Sessions, balance: SellerBalance) -> int:
    account = AccountRef(
        business="retail", kind=AccountKind.SELLER_PAYABLE, party=balance.seller_id, currency=balance.currency
    )
    with sessions() as session:
        return balance_of(session, account).minor


async def test_what_is_due_is_approved_by_another_person_paid_and_reconciled(
    shop: Sessions, client: Client, worker: None
) -> None:
    await bought(shop, client)

    begun = begin_process(shop, "settlement", {})
    status, body = await answered(client, begun)
    assert (status, body["status"]) == (202, "awaiting_approval")
    due = balances(shop)
    assert sum(balance.in_payout_minor for balance in due) == body["amount_minor"] > 0
    assert all(owed_by_the_ledger(shop, balance) == balance.owed_minor for balance in due)
    await decide(shop, client, begun.run_id)
    assert (await until(shop, begun.run_id, "ended")).outcome == "settled"

    after = balances(shop)
    assert [(balance.owed_minor, owed_by_the_ledger(shop, balance)) for balance in after] == [(0, 0)] * len(after)
    assert sum(balance.paid_minor for balance in after) == body["amount_minor"]
    with shop() as session:
        assert payout_counts(session, "retail") == {PayoutStatus.PAID: body["payouts"]}
        assert [batch.status for batch in batches_page(session, "retail").batches] == ["closed"]
        assert len(statements_page(session, "retail")[0]) == body["payouts"]
    again = await told(shop, client, "settlement", {})
    assert (again[0], again[1]["batch_id"]) == (200, None)

    with shop() as session:
        (act,) = acts_of_provider(session, "retail", "simulator", since=None)
    fee = fee_of("charge", act.amount_minor)
    provider = (
        "reference,kind,currency,gross_minor,fee_minor,occurred_at,bank_reference\n"
        f"{act.reference},charge,{act.currency},{act.amount_minor},{fee},{act.occurred_at.isoformat()},p1\n"
    )
    bank = f"reference,amount_minor,currency,date\np1,{act.amount_minor - fee},{act.currency},{act.occurred_at.isoformat()}\n"
    for kind, content in (("provider", provider), ("bank", bank)):
        begun = begin_process(shop, "import_statement", {"kind": kind, "content": content})
        assert (await answered(client, begun))[0] == 200
        await until(shop, begun.run_id, "ended")
    with shop() as session:
        counts = recon_counts(session, "retail")
        clearing = AccountRef(business="retail", kind=AccountKind.PROVIDER_CLEARING, currency=act.currency)
        assert (counts.matched, counts.parked, counts.open) == (4, 0, 0)
        assert balance_of(session, clearing).minor == 0
    assert broken_ones(shop) == []


async def test_a_batch_that_is_refused_pays_nothing_and_its_money_is_due_again(
    shop: Sessions, client: Client, worker: None
) -> None:
    await bought(shop, client)
    begun = begin_process(shop, "settlement", {})
    await answered(client, begun)

    await decide(shop, client, begun.run_id, "refuse")
    assert (await until(shop, begun.run_id, "ended")).outcome == "refused"

    assert all(balance.due_minor == balance.owed_minor > 0 for balance in balances(shop))
    with shop() as session:
        assert session.scalar(text("SELECT count(*) FROM simulated_bank_act")) == 0
    assert broken_ones(shop) == []


async def test_a_payout_that_failed_is_run_again_as_the_same_payout(
    shop: Sessions, client: Client, worker: None
) -> None:
    order = await bought(shop, client)
    for seller in {line.seller_id for line in order.lines}:
        account = {"seller_id": seller, "currency": order.currency, "destination": f"once:{seller}"}
        assert (await told(shop, client, "declare_destination", account))[0] == 200
    begun = begin_process(shop, "settlement", {})
    await answered(client, begun)
    await decide(shop, client, begun.run_id)
    await until(shop, begun.run_id, "ended")
    with shop() as session:
        (batch,) = batches_page(session, "retail").batches
    assert {payout.status for payout in batch.payouts} == {PayoutStatus.FAILED}

    for payout in batch.payouts:
        assert (await told(shop, client, "payout", {"payout_id": payout.id}))[0] == 200

    with shop() as session:
        (batch,) = batches_page(session, "retail").batches
    assert {(payout.status, payout.attempts) for payout in batch.payouts} == {(PayoutStatus.PAID, 2)}
    assert batch.status == "closed"
    assert broken_ones(shop) == []
