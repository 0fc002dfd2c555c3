"""A shop for the tests of money back when things go wrong, and what they look at."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import Client

from activities.journal.models import ProcessRun
from activities.journal.queries import parts_of, run_of
from capabilities.account.contract import AccountKind
from capabilities.account.queries import trial_balance
from capabilities.payment.models import PaymentRow
from capabilities.payment.queries import payments_of_order
from capabilities.transaction.contract import Order
from tests.workflows.aftersale import bought, told, units
from tests.workflows.driving import Sessions
from tests.workflows.visiting import order as repaired_by
from workflows import starting
from workflows.starting import Begun, RepairKind
from zhongtai.verify import verify

TEA, CUP = "RT-TEA-001", "RT-CUP-001"


def sound(sessions: Sessions) -> None:
    """Every invariant holds."""
    with sessions() as session:
        wrong = [(found.number, found.broken) for found in verify(session) if found.broken]
    assert wrong == []


def balance(sessions: Sessions, kind: AccountKind) -> int:
    """What all accounts of a kind hold together."""
    with sessions() as session:
        return sum(
            found.minor
            for page in trial_balance(session, "retail")
            for ref, found in page.balances
            if ref.kind is kind and ref.currency == "CNY"
        )


def some_units(order: Order, sku: str = TEA, number: int = 1, **more: Any) -> dict[str, Any]:
    """A refund of so many pieces."""
    asked = {"order_id": order.id, "kind": "goodwill", "lines": [units(order, sku, number)], "reason": "a scratch"}
    return {"request": asked | more}


def an_amount(order: Order, minor: int) -> dict[str, Any]:
    """A refund of so much."""
    return {"request": {"order_id": order.id, "kind": "goodwill", "amount_minor": minor, "reason": "sorry"}}


def everything(order: Order, **more: Any) -> dict[str, Any]:
    """A refund of the whole example order."""
    lines = [units(order, TEA, 2), units(order, CUP, 1)]
    asked = {"order_id": order.id, "kind": "goodwill", "lines": lines, "delivery": True, "reason": "all of it"}
    return {"request": asked | more}


async def delivered(sessions: Sessions, client: Client, **changed: Any) -> Order:
    """An order that was bought and handed over whole."""
    order = await bought(sessions, client, **changed)
    assert (await told(sessions, client, "fulfil", {"order_id": order.id}))[0] == 201
    return order


def change_method(sessions: Sessions, order: Order, position: int, method: str) -> None:
    """From now on the card does as the method says."""
    with sessions.begin() as session:
        payment = payments_of_order(session, order.id)[position]
        session.get_one(PaymentRow, payment.id).method = method


def sources(sessions: Sessions, order: Order) -> list[tuple[int, int]]:
    """What was given back to each source, and what is left of it."""
    with sessions() as session:
        return [(one.amounts.refunded_minor, one.left_minor) for one in payments_of_order(session, order.id)]


def code_of(run: ProcessRun) -> str | None:
    """Why a run is parked."""
    return None if run.error is None else str(run.error["code"])


async def mend(client: Client, run_id: str, kind: RepairKind = RepairKind.RETRY, change: Any = None) -> None:
    """A person orders a repair."""
    await starting.repair(client, run_id, repaired_by(kind, change))


async def part_of(sessions: Sessions, begun: Begun) -> str:
    """The run that a run has begun as a part of itself."""
    for _ in range(200):
        with sessions() as session:
            parts = parts_of(session, begun.run_id)
        if parts:
            return str(parts[0].id)
        await asyncio.sleep(0.05)
    with sessions() as session:
        raise AssertionError(run_of(session, begun.run_id).error)
