"""Sellers with money to come, for tests of settlement."""

from __future__ import annotations

from datetime import date

from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.settlement.banks.calling import pay
from capabilities.settlement.banks.protocol import BankOrder
from capabilities.settlement.banks.simulator import SimulatedBank
from capabilities.settlement.contract import (
    CommissionRate,
    FreezeCommission,
    GivenBack,
    Maturing,
    Payout,
    ReverseCommission,
    SoldLine,
)
from capabilities.settlement.service import freeze_commission
from capabilities.settlement.service_payouts import Planned, PlanPayouts, begin_sending, plan, record_report
from capabilities.settlement.service_transfers import Started, book, mature, reverse, start_times
from tests.builders import a_business

TENTH = CommissionRate(rate_bps=1000, reason="test")
AT_ONCE = Maturing(days=0)


def a_sale(
    session: Session,
    order_id: str,
    *,
    seller: str = "s_one",
    base: int = 100_00,
    rate: CommissionRate = TENTH,
    terms: Maturing | None = AT_ONCE,
    currency: str = "CNY",
) -> None:
    """A sale of one line whose commission is frozen; `terms` None: nobody has asked yet when it is due."""
    a_business(session)
    line = SoldLine(line_id="l1", seller_id=seller, category="food", quantity=1, base_minor=base, rate=rate)
    freeze_commission(session, FreezeCommission(business="retail", order_id=order_id, currency=currency, lines=(line,)))
    if terms is not None:
        book(session, "retail", order_id=order_id)
        start_times(session, "retail", [Started(order_id, seller, terms, now())])
        mature(session, "retail")


def a_refund(session: Session, order_id: str, refund_id: str, given: int) -> None:
    """A refund that gives so much of the sale's line back."""
    lines = (GivenBack(line_id="l1", base_minor=given),)
    reverse(session, ReverseCommission(refund_id=refund_id, order_id=order_id, lines=lines))


def planned(session: Session, key: str = "run_1", *, by: str = "planner") -> Planned:
    return plan(session, PlanPayouts("retail", date(2026, 3, 2), run_key=key, planned_by=by))


def sent(session: Session, payout_id: str, bank: SimulatedBank, *, may_be_sent: bool = False) -> Payout:
    """The payout after the bank was asked, as the operation does it, without its commits."""
    payout = begin_sending(session, payout_id)
    report = pay(bank, order_for(payout), may_be_sent=may_be_sent, limit_s=0.5)
    return record_report(session, payout_id, payout.attempts, report)


def order_for(payout: Payout) -> BankOrder:
    return BankOrder(
        key=payout.id,
        attempt=payout.attempts,
        business=payout.business,
        destination=payout.destination,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        reference=payout.id,
    )
