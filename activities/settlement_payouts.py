"""Operations of sellers' money: due in time, held, planned, approved, paid by the bank, closed."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import OutsideSteps, StepContext, operation, outside_operation
from activities.settlement_requests import (
    ApproveBatchRequest,
    ApproveBatchResponse,
    ClosePayoutResponse,
    DestinationRequest,
    MatureRequest,
    MatureResponse,
    PayoutRequest,
    PayResponse,
    PlanRequest,
    PlanResponse,
    PreparedPayout,
    StatementRequest,
    StatementResponse,
    WithdrawPayoutRequest,
)
from activities.settlement_rules import maturing_by_rules
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.settlement import service_payouts, service_statements, service_transfers
from capabilities.settlement.banks.calling import pay
from capabilities.settlement.banks.protocol import BankOrder, BankReport
from capabilities.settlement.contract import DeclareDestination, Payout, PayoutStatus
from capabilities.settlement.extensions import bank_named, maturing, paying_bank
from capabilities.settlement.maturing_decision import MATURING
from capabilities.settlement.queries_payout import payout_of, timeless
from capabilities.settlement.service_transfers import Started
from capabilities.transaction.after_sale import FulfilmentStatus
from capabilities.transaction.contract import Order
from capabilities.transaction.queries import history_of, order_of
from capabilities.transaction.unit_queries import fulfilment_status, fulfilments_of, units_of
from rules.queries import live_release


@operation("settlement.mature", en="Let sellers' money fall due", zh="卖家款项到期")
def mature(session: Session, context: StepContext, request: MatureRequest) -> MatureResponse:
    """Book what was sold since, say when it falls due, and let fall due what has waited long enough."""
    business = context.identity.business
    booked = service_transfers.book(session, business, limit=request.limit)
    waiting = timeless(session, business, limit=request.limit)
    started = service_transfers.start_times(session, business, _starts(session, context.identity, waiting))
    fallen = service_transfers.mature(session, business, limit=request.limit)
    more = request.limit in (booked, fallen.matured)
    return MatureResponse(booked=booked, started=started, matured=fallen.matured, reserved=fallen.reserved, more=more)


@operation("settlement.plan_payouts", en="Plan the payouts", zh="生成打款批次")
def plan_payouts(session: Session, context: StepContext, request: PlanRequest) -> PlanResponse:
    """Claim what is due, a payout for each seller and currency; the run plans once."""
    business = context.identity.business
    run_date = request.run_date or now().astimezone(business_of(session, business).zone).date()
    asked = service_payouts.PlanPayouts(business, run_date, run_key=context.key, planned_by=context.actor)
    planned = service_payouts.plan(session, asked)
    batch = planned.batch
    if batch is None:
        return PlanResponse(
            batch_id=None, payouts=0, payout_ids=(), amount_minor=0, currencies=(), carried=planned.carried
        )
    return PlanResponse(
        batch_id=batch.id,
        payouts=len(batch.payouts),
        payout_ids=tuple(payout.id for payout in batch.payouts),
        amount_minor=sum(batch.totals_minor.values()),
        currencies=tuple(sorted(batch.totals_minor)),
        carried=planned.carried,
    )


@operation("settlement.approve_batch", en="Approve the payouts", zh="批准打款批次")
def approve_batch(session: Session, context: StepContext, request: ApproveBatchRequest) -> ApproveBatchResponse:
    """Approve a batch: by another person than who planned it, for the sum that was seen."""
    batch = service_payouts.approve(
        session, request.batch_id, approver=request.approver or context.actor, amount_minor=request.amount_minor
    )
    going = [payout for payout in batch.payouts if payout.status is not PayoutStatus.WITHDRAWN]
    return ApproveBatchResponse(
        batch_id=batch.id,
        payout_ids=tuple(payout.id for payout in going),
        amount_minor=sum(payout.amount_minor for payout in going),
    )


@operation("settlement.prepare_payout", en="Look at the payout", zh="查看打款", changes=False)
def prepare_payout(session: Session, context: StepContext, request: PayoutRequest) -> PreparedPayout:
    """The payout as it is about to be sent, with the number of the attempt that follows."""
    del context
    payout = payout_of(session, request.payout_id)
    again = payout.status in (PayoutStatus.APPROVED, PayoutStatus.FAILED)
    return PreparedPayout(
        payout_id=payout.id,
        business=payout.business,
        seller_id=payout.seller_id,
        currency=payout.currency,
        amount_minor=payout.amount_minor,
        attempt=payout.attempts + 1 if again else max(1, payout.attempts),
        status=payout.status.value,
    )


@operation("settlement.close_payout", en="Close the payout", zh="完成打款")
def close_payout(session: Session, context: StepContext, request: PayoutRequest) -> ClosePayoutResponse:
    """Close what the bank has paid, and issue the seller's statement of it; a failed payout stays open."""
    del context
    payout = service_payouts.close(session, request.payout_id)
    statement = service_statements.issue_for_payout(session, payout.id) if _is_paid(payout) else None
    return ClosePayoutResponse(
        payout_id=payout.id,
        status=payout.status.value,
        amount_minor=payout.amount_minor,
        statement_id=None if statement is None else statement.id,
    )


@operation("settlement.withdraw_payout", en="Withdraw the payout", zh="撤销打款")
def withdraw_payout(session: Session, context: StepContext, request: WithdrawPayoutRequest) -> ClosePayoutResponse:
    """Give up a payout that was not sent or that the bank refused; what it claimed is due again."""
    del context
    payout = service_payouts.give_up(session, request.payout_id, reason=request.reason)
    return ClosePayoutResponse(payout_id=payout.id, status=payout.status.value, amount_minor=payout.amount_minor)


@operation("settlement.declare_destination", en="Say where a seller is paid", zh="登记收款账户")
def declare_destination(session: Session, context: StepContext, request: DestinationRequest) -> DestinationRequest:
    """Enter or change a seller's account; what is not sent yet goes there."""
    asked = DeclareDestination(business=context.identity.business, **request.model_dump())
    service_payouts.declare_destination(session, asked)
    return request


@operation("settlement.issue_statement", en="Issue a seller's statement", zh="出具卖家对账单")
def issue_statement(session: Session, context: StepContext, request: StatementRequest) -> StatementResponse:
    """A seller's account over some days: what was sold, given back and paid."""
    business = context.identity.business
    while service_transfers.book(session, business):
        pass
    issued = service_statements.issue_for_days(
        session,
        business,
        seller_id=request.seller_id,
        currency=request.currency,
        first=request.first_day,
        last=request.last_day,
    )
    return StatementResponse(statement_id=issued.id, closing_minor=issued.closing_minor)


class PayIntent(BaseModel):
    """A payout marked as sent. `order` None: nothing is to be sent. `may_be_sent`: an earlier call may have arrived."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    payout_id: str
    bank: str
    order: BankOrder | None
    may_be_sent: bool


class BankAnswer(BaseModel):
    """What the bank said; None where it said nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    report: BankReport | None


def _intend_payment(session: Session, context: StepContext, request: PayoutRequest) -> PayIntent:
    del context
    before = payout_of(session, request.payout_id)
    payout = service_payouts.begin_sending(session, request.payout_id)
    bank = paying_bank.for_identity(BusinessIdentity(payout.business))()
    order = None
    if payout.status is PayoutStatus.SENT:
        order = BankOrder(
            key=payout.id,
            attempt=payout.attempts,
            business=payout.business,
            destination=payout.destination,
            amount_minor=payout.amount_minor,
            currency=payout.currency,
            reference=payout.id,
        )
    # whatever was attempted before may have arrived, also where we were told that it failed
    return PayIntent(payout_id=payout.id, bank=bank, order=order, may_be_sent=before.attempts > 0)


def _call_bank(intent: PayIntent) -> BankAnswer:
    if intent.order is None:
        return BankAnswer(report=None)
    return BankAnswer(report=pay(bank_named(intent.bank), intent.order, may_be_sent=intent.may_be_sent))


def _record_payment(session: Session, context: StepContext, intent: PayIntent, answer: BankAnswer) -> PayResponse:
    del context
    if intent.order is not None:
        service_payouts.record_report(session, intent.payout_id, intent.order.attempt, answer.report)
    payout = payout_of(session, intent.payout_id)
    words = {PayoutStatus.PAID: "paid", PayoutStatus.FAILED: "failed", PayoutStatus.WITHDRAWN: "withdrawn"}
    return PayResponse.model_validate(
        {
            "payout_id": payout.id,
            "status": words.get(payout.status, "unknown"),
            "attempt": max(1, payout.attempts),
            "reason": payout.reason,
        }
    )


outside_operation(
    "settlement.pay",
    en="Pay the seller",
    zh="向卖家打款",
    request=PayoutRequest,
    response=PayResponse,
    steps=OutsideSteps(
        _intend_payment,
        _call_bank,
        _record_payment,
        again=lambda intent: intent.model_copy(update={"may_be_sent": True}),
    ),
)


def _starts(session: Session, identity: BusinessIdentity, waiting: tuple[tuple[str, str, int], ...]) -> list[Started]:
    """By which terms each seller's part of an order waits, and since when."""
    release = live_release(session, MATURING.name, identity) if waiting else None
    starts = []
    for order_id, seller_id, amount in waiting:
        order = order_of(session, order_id)
        terms = maturing.for_identity(BusinessIdentity(order.business, order.scenario))()
        if release is not None:
            terms = maturing_by_rules(session, order, seller_id, amount, release, terms)
        starts.append(Started(order_id, seller_id, terms, _began(session, order, terms.starts)))
    return starts


def _began(session: Session, order: Order, starts: str) -> datetime | None:
    """When the order was confirmed, handed over as a whole, or completed; None while that has not happened."""
    if starts == "fulfilled":
        whole = fulfilment_status(units_of(session, order.id)) is FulfilmentStatus.FULFILLED
        handed_over = fulfilments_of(session, order.id)
        return handed_over[-1].fulfilled_at if whole and handed_over else None
    if starts == "completed":
        completed = [change.at for change in history_of(session, order.id) if change.to_status == "completed"]
        return completed[-1] if completed else None
    return order.confirmed_at


def _is_paid(payout: Payout) -> bool:
    return payout.status is PayoutStatus.PAID
