"""Operations of the ledger around a sale: what is due later, payouts, reserves, statements, corrections by hand."""

from __future__ import annotations

from sqlalchemy.orm import Session

from activities.account import cause_of, made_by, origin_of
from activities.account_requests import (
    CorrectRequest,
    InstalmentRequest,
    PayoutRequest,
    ReserveRequest,
    StatementRequest,
    TransfersResponse,
)
from activities.catalogue import StepContext, operation
from capabilities.account.contract import Phase, TransferRequest
from capabilities.account.postings import Cause, reason
from capabilities.account.queries import find_transfer
from capabilities.account.service import correct, post_transfers
from capabilities.transaction.queries import order_of

RESOLVING = {"paid": Phase.POST, "failed": Phase.VOID}


@operation("account.post_instalment", en="Post what was collected later", zh="账务记分期收款")
def post_instalment(session: Session, context: StepContext, request: InstalmentRequest) -> TransfersResponse:
    """Something due later came in, or never will. More than is owed is refused: the receivable has a lowest balance."""
    cause = cause_of(order_of(session, request.order_id))
    transfer = cause.transfer(
        f"due.{request.by}",
        request.amount_minor,
        credit=request.order_id,
        part=f"due {request.due}",
        due=str(request.due + 1),
    )
    return made_by(post_transfers(session, [transfer], origin=origin_of(context)))


@operation("account.reverse_instalment", en="Take a collected part back", zh="冲销分期收款")
def reverse_instalment(session: Session, context: StepContext, request: InstalmentRequest) -> TransfersResponse:
    """What was posted as collected was not, after all; nothing where it was never posted."""
    cause = cause_of(order_of(session, request.order_id))
    return _taken_back(session, context, cause.id_of(f"due {request.due}"))


@operation("account.post_payout", en="Post the payout in the ledger", zh="账务记打款")
def post_payout(session: Session, context: StepContext, request: PayoutRequest) -> TransfersResponse:
    """Set aside what is sent to the bank, book it when it is paid, set it free when it failed."""
    cause = Cause(request.business, request.currency, request.payout_id, (request.payout_id, str(request.attempt)))
    party = request.seller_id
    if request.outcome == "sent":
        amount = request.amount_minor
        sent = [cause.transfer("payout.sent", amount, debit=party, part="sent", phase=Phase.PENDING)]
    elif request.outcome == "returned":
        sent = [cause.transfer("payout.returned", request.amount_minor, credit=party, part="returned")]
    else:
        word = "posted" if request.outcome == "paid" else "voided"
        sent = [
            TransferRequest(
                id=cause.id_of(request.outcome),
                phase=RESOLVING[request.outcome],
                pending_id=cause.id_of("sent"),
                subject=request.payout_id,
                reason=reason(word, of=reason("payout.sent", party=party)),
            )
        ]
    return made_by(post_transfers(session, sent, origin=origin_of(context)))


@operation("account.post_reserve", en="Post a seller's reserve", zh="账务记保证金")
def post_reserve(session: Session, context: StepContext, request: ReserveRequest) -> TransfersResponse:
    """Keep a part of a seller's money back, or release it; more than was kept is refused."""
    cause = Cause(request.business, request.currency, request.reserve_id, (request.reserve_id,))
    party = request.seller_id
    transfer = cause.transfer(f"reserve.{request.outcome}", request.amount_minor, debit=party, credit=party)
    return made_by(post_transfers(session, [transfer], origin=origin_of(context)))


@operation("account.post_statement", en="Post a statement", zh="账务记对账单")
def post_statement(session: Session, context: StepContext, request: StatementRequest) -> TransfersResponse:
    """Fees that were kept, what the bank was credited, and what an operator writes off; nothing where all is zero."""
    cause = Cause(request.business, request.currency, request.statement_id, (request.statement_id,))
    of = "statement" if request.source == "provider" else "courier"
    requests = []
    if request.fees_minor:
        requests.append(cause.transfer(f"{of}.fees", request.fees_minor))
    requests += cause.other_way(f"{of}.credited", f"{of}.collected", request.credited_minor)
    requests += cause.other_way(f"{of}.missing", f"{of}.surplus", request.difference_minor)
    return made_by(post_transfers(session, requests, origin=origin_of(context)) if requests else ())


@operation("account.correct", en="Correct transfers", zh="更正分录")
def correct_transfers(session: Session, context: StepContext, request: CorrectRequest) -> TransfersResponse:
    """Take transfers back by others that name them, in one linked set, with the reason a person gives."""
    because = reason("corrected", of="", because=request.reason)
    return made_by(correct(session, request.transfer_ids, reason=because, origin=origin_of(context)))


def _taken_back(session: Session, context: StepContext, transfer_id: str) -> TransfersResponse:
    if find_transfer(session, transfer_id) is None:
        return TransfersResponse(transfer_ids=())
    return made_by(
        correct(session, [transfer_id], reason=reason("corrected", of="due.provider"), origin=origin_of(context))
    )
