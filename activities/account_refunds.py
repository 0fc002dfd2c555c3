"""Operations of the ledger for money that goes back: refunds, chargebacks. `docs/postings.md` has the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy.orm import Session

from activities.account import made_by, origin_of
from activities.account_requests import ChargebackRequest, PostRefundRequest, TransfersResponse
from activities.catalogue import StepContext, operation
from activities.stored_value import refund_requests
from capabilities.account.contract import AccountKind, Phase, TransferRequest
from capabilities.account.postings import Cause, read_reason, reason
from capabilities.account.queries import transfers_of
from capabilities.account.service import correct, post_transfers
from capabilities.account.stored import GivenBack
from capabilities.kernel.errors import ConflictError
from capabilities.payment.contract import SourceShare
from capabilities.payment.refunds import refund_of_shares
from capabilities.settlement.contract import CommissionReversal
from capabilities.settlement.queries import reversals_of
from capabilities.transaction.contract import OfferKind, Order, Refund, RefundKind
from capabilities.transaction.queries import order_of, refund_of

TAKEN_BACK = {
    AccountKind.SELLER_PAYABLE: ("refund.seller", "sale.seller"),
    AccountKind.COMMISSION_REVENUE: ("refund.commission", "sale.commission"),
    AccountKind.TAX_PAYABLE: ("refund.tax", "sale.tax"),
    AccountKind.DELIVERY_REVENUE: ("refund.delivery", "sale.delivery"),
    AccountKind.FEE_REVENUE: ("refund.fee", "sale.fee"),
    AccountKind.PROVIDER_FEES: ("refund.channel_fee", "sale.channel_fee"),
    AccountKind.WITHHELD_TAX: ("refund.withheld", "sale.withheld"),
}
"""How a share comes back, and how it goes out where a line that is kept costs more afterwards."""


@operation("account.post_refund", en="Post the refund in the ledger", zh="账务记退款")
def post_refund(session: Session, context: StepContext, request: PostRefundRequest) -> TransfersResponse:
    """Take everybody's share back and give it to the sources, in one linked set. The commission is reversed before.

    A chargeback's refund goes against what the bank took. Only what the sources have given back is posted.
    """
    refund = refund_of(session, request.refund_id)
    done = _posted(session, refund)
    if done:
        return TransfersResponse(transfer_ids=done)
    order = order_of(session, refund.order_id)
    cause = Cause(order.business, order.currency, order.id, (refund.id,))
    requests = taken_back(cause, refund, taken_shares(refund, reversals_of(session, refund.id)))
    requests += _given(session, order, refund, cause)
    if not requests:
        return TransfersResponse(transfer_ids=())
    made = post_transfers(session, requests, origin=origin_of(context))
    return TransfersResponse(transfer_ids=tuple(sorted(one.id for one in made)))


@operation("account.reverse_refund", en="Take the posted refund back", zh="冲销退款记账")
def reverse_refund(session: Session, context: StepContext, request: PostRefundRequest) -> TransfersResponse:
    """The refund came to nothing: everything it posted is taken back, each by a transfer that names it."""
    refund = refund_of(session, request.refund_id)
    posted = list(_posted(session, refund))
    corrected = {one.corrects_id for one in transfers_of(session, refund.order_id)}
    left = [id_ for id_ in posted if id_ not in corrected]
    if not left:
        return TransfersResponse(transfer_ids=())
    because = reason("corrected", of="refund.paid", refund=refund.id)
    return made_by(correct(session, left, reason=because, origin=origin_of(context)))


@operation("account.post_chargeback", en="Post the chargeback in the ledger", zh="账务记拒付")
def post_chargeback(session: Session, context: StepContext, request: ChargebackRequest) -> TransfersResponse:
    """What the buyer's bank took, gave back, or keeps; each outcome is posted once."""
    if request.outcome == "lost" and request.refund_id is not None:
        return post_refund(session, context, PostRefundRequest(refund_id=request.refund_id))
    order = order_of(session, request.order_id)
    cause = Cause(order.business, order.currency, order.id, (request.chargeback_id,))
    requests = [cause.transfer(f"chargeback.{request.outcome}", request.amount_minor, chargeback=request.chargeback_id)]
    if request.outcome == "opened" and request.fee_minor:
        requests.append(cause.transfer("chargeback.fee", request.fee_minor, chargeback=request.chargeback_id))
    return made_by(post_transfers(session, requests, origin=origin_of(context)))


def taken_shares(refund: Refund, reversals: Sequence[CommissionReversal]) -> Counter[tuple[AccountKind, str]]:
    """Who gives up what for a refund; it adds up to the refund's total exactly, or `ConflictError`. Pure.

    Of a line of goods, seller and commission give what was reversed; where a kept line costs more afterwards, they get.
    """
    reversed_of = {one.line_id: one for one in reversals if not one.is_reinstated}
    shares: Counter[tuple[AccountKind, str]] = Counter()
    for line in refund.lines:
        base = line.total_minor - line.tax_minor
        shares[AccountKind.TAX_PAYABLE, ""] += line.tax_minor
        if line.kind != OfferKind.GOODS.value:
            is_delivery = line.kind == OfferKind.DELIVERY.value
            shares[AccountKind.DELIVERY_REVENUE if is_delivery else AccountKind.FEE_REVENUE, ""] += base
            continue
        if base == 0:
            continue
        reversal = reversed_of.get(line.line_id)
        if reversal is None or reversal.fees.base_minor != base:
            raise ConflictError(
                "account.reversal_missing", f"The commission of line {line.line_id} is not reversed for this refund."
            )
        fees = reversal.fees
        shares[AccountKind.SELLER_PAYABLE, reversal.seller_id] += reversal.seller_net_minor
        shares[AccountKind.COMMISSION_REVENUE, ""] += fees.commission_minor
        shares[AccountKind.TAX_PAYABLE, ""] += fees.tax_minor
        shares[AccountKind.PROVIDER_FEES, ""] += fees.channel_fee_minor
        shares[AccountKind.WITHHELD_TAX, ""] += fees.withheld_minor
    if shares.total() != refund.total_minor:
        raise ConflictError(
            "account.shares_off",
            f"The shares of refund {refund.number} add up to {shares.total()}, its total is {refund.total_minor}.",
        )
    return shares


def taken_back(cause: Cause, refund: Refund, shares: Counter[tuple[AccountKind, str]]) -> list[TransferRequest]:
    """The transfers that take shares back, keep the fee, and lower what was due later. Pure."""
    requests: list[TransferRequest] = []
    for (kind, party), amount in sorted(shares.items()):
        code, opposite = TAKEN_BACK[kind]
        more = {"debit": party, "part": f"{code} {party}".strip(), "refund": refund.id}
        requests += cause.other_way(code, opposite, amount, **more)
    if refund.fee_minor:
        requests.append(cause.transfer("refund.kept", refund.fee_minor, refund=refund.id))
    if refund.unpaid_minor:
        unpaid = refund.unpaid_minor
        requests.append(cause.transfer("refund.owed_less", unpaid, credit=refund.order_id, refund=refund.id))
    return requests


def _given(session: Session, order: Order, refund: Refund, cause: Cause) -> list[TransferRequest]:
    """What the buyer gets, by source."""
    if refund.due_minor == 0:
        return []
    if refund.kind is RefundKind.CHARGEBACK:
        return [cause.transfer("refund.charged_back", refund.due_minor, refund=refund.id)]
    if refund.destination == "wallet":
        if order.buyer_id is None:
            raise ConflictError("account.buyer_unknown", "A guest has no wallet to give the money back to.")
        return [cause.transfer("refund.wallet", refund.due_minor, credit=order.buyer_id, refund=refund.id)]
    shares = [one for one in refund_of_shares(session, refund.id).shares if one.status == "succeeded"]
    given = sum(share.amount_minor for share in shares)
    if given != refund.due_minor:
        raise ConflictError(
            "account.refund_not_given",
            f"Of refund {refund.number} the sources gave {given} back, not {refund.due_minor}.",
            mend="Wait until all sources have answered.",
        )
    return _to_sources(session, order, cause, shares, refund.id)


def _to_sources(
    session: Session, order: Order, cause: Cause, shares: Sequence[SourceShare], refund_id: str
) -> list[TransferRequest]:
    requests = [
        cause.transfer(
            "refund.paid",
            share.amount_minor,
            part=f"paid {share.payment_id}",
            refund=refund_id,
            payment=share.payment_id,
        )
        for share in shares
        if not share.kind.is_stored
    ]
    stored = [
        GivenBack(payment_id=share.payment_id, amount_minor=share.amount_minor)
        for share in shares
        if share.kind.is_stored
    ]
    return requests + (refund_requests(session, order, cause, stored, refund=refund_id) if stored else [])


def _posted(session: Session, refund: Refund) -> tuple[str, ...]:
    """What this refund has posted: its transfers say which refund they are of."""
    return tuple(
        sorted(
            one.id
            for one in transfers_of(session, refund.order_id)
            if one.phase is Phase.SINGLE
            and one.corrects_id is None
            and read_reason(one.reason).parameters.get("refund") == refund.id
        )
    )
