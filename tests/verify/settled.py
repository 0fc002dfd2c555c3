"""A settled part of the small world: sellers paid, a piece given back afterwards, statements reconciled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from activities.catalogue import StepContext, find_operation
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.acts import KnownAct, acts_of_provider
from capabilities.payment.providers.simulator_statement import fee_of
from capabilities.settlement.banks.simulator import SimulatedBank
from capabilities.settlement.contract import Maturing
from capabilities.settlement.extensions import register_bank
from capabilities.settlement.service_transfers import Started, book, mature, start_times
from capabilities.transaction.models import OrderRow


def settle(session: Session) -> None:
    """Pay the sellers of the world's paid order, give one piece back, reconcile what the provider and the bank say."""
    own = sessionmaker(session.connection(), join_transaction_mode="create_savepoint")
    register_bank("simulator", SimulatedBank(lambda: own))
    order_id = session.scalars(
        select(OrderRow.id).where(OrderRow.status == "confirmed", OrderRow.origin != "import", OrderRow.total_minor > 0)
    ).one()
    try:
        _pay_sellers(session, order_id)
    finally:
        register_bank("simulator", SimulatedBank())
    _give_back(session, order_id)
    _reconcile(session)
    session.flush()


def step(session: Session, name: str, *, actor: str = "user:ann", **request: Any) -> Any:
    """One operation as a process runs it, without the commits between the parts of one that calls outside."""
    operation = find_operation(name)
    context = StepContext(
        "run_settle", name, f"settle/{name}/{request}", BusinessIdentity("retail"), actor, "cor_settle"
    )
    asked = operation.request.model_validate(request)
    if operation.outside is None:
        assert operation.run is not None
        return operation.run(session, context, asked)
    intent = operation.outside.intend(session, context, asked)
    session.flush()
    return operation.outside.record(session, context, intent, operation.outside.call(intent))


def _pay_sellers(session: Session, order_id: str) -> None:
    book(session, "retail")
    start_times(
        session, "retail", [Started(order_id, seller, Maturing(days=0), now()) for seller in ("s_one", "s_two")]
    )
    mature(session, "retail")
    plan = step(session, "settlement.plan_payouts")
    step(session, "settlement.approve_batch", batch_id=plan.batch_id, actor="user:bob")
    for payout_id in plan.payout_ids:
        look = step(session, "settlement.prepare_payout", payout_id=payout_id)
        about = look.model_dump(include={"business", "payout_id", "attempt", "seller_id", "currency", "amount_minor"})
        step(session, "account.post_payout", **about, outcome="sent")
        assert step(session, "settlement.pay", payout_id=payout_id).status == "paid"
        step(session, "account.post_payout", **about, outcome="paid")
        step(session, "settlement.close_payout", payout_id=payout_id)


def _give_back(session: Session, order_id: str) -> None:
    asked = {"order_id": order_id, "kind": "cancellation", "lines": [{"line_id": "l1", "units": 1}]}
    opened = step(session, "transaction.open_refund", request=asked)
    refund = {"refund_id": opened.refund_id}
    step(session, "transaction.approve_refund", **refund)
    step(session, "transaction.start_refund", **refund)
    step(session, "payment.refund_shares", **refund, order_id=order_id, amount_minor=opened.due_minor)
    step(session, "settlement.reverse", **refund)
    step(session, "account.post_refund", **refund)
    step(session, "marketing.give_back", **refund)
    step(session, "transaction.complete_refund", **refund)


def _fee(act: KnownAct) -> int:
    """What the provider takes by its own schedule."""
    return fee_of(act.kind, abs(act.amount_minor))


def _reconcile(session: Session) -> None:
    """The provider's statement lists our acts, one of them twice; the bank credits the net."""
    acts = acts_of_provider(session, "retail", "simulator", since=None)
    lines = [
        f"{act.reference},{act.kind},{act.currency},{act.amount_minor},{_fee(act)},{act.amount_minor - _fee(act)},{act.occurred_at.isoformat()},p1"
        for act in acts
        if act.status == "succeeded"
    ]
    head = "reference,kind,currency,gross_minor,fee_minor,net_minor,occurred_at,bank_reference"
    content = "\n".join([head, *lines, lines[0]])
    step(session, "settlement.import_statement", kind="provider", content=content)
    net = sum(act.amount_minor - _fee(act) for act in acts if act.status == "succeeded")
    later = (now() + timedelta(days=1)).isoformat()
    step(
        session,
        "settlement.import_statement",
        kind="bank",
        content=f"reference,amount_minor,currency,date\np1,{net},CNY,{later}",
    )
    step(session, "settlement.reconcile")
    assert session.scalar(text("SELECT count(*) FROM reconciliation_row WHERE standing = 'matched'"))
