"""Stored value as sources of a payment: reserved in the checkout's first transaction, posted in its last, voided on undo,
given back on a refund. All ids follow from the payment, so each happens once however often it is asked for.

Gift cards are locked before they are reserved, so that none is frozen or expires while it is being spent; the ledger holds
that no more is spent than there is, pending counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from activities.account import origin_of
from activities.catalogue import StepContext
from capabilities.account.contract import POINTS_CURRENCY, Phase, Transfer, TransferRequest
from capabilities.account.gift_cards import revive, spendable_card
from capabilities.account.postings import Cause, read_reason, reason
from capabilities.account.queries import parties_of, transfers_of
from capabilities.account.queries_stored import value_of_points
from capabilities.account.service import correct, post_transfers
from capabilities.account.stored import GivenBack, StoredMethod, StoredSource
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.kernel.ids import derived_id
from capabilities.transaction.contract import Order

PAID_BY = frozenset({"sale.gift_card", "sale.wallet", "sale.points", "sale.points_value"})


def reserve(
    session: Session, context: StepContext, order: Order, sources: Sequence[StoredSource]
) -> tuple[Transfer, ...]:
    """Reserve what each source pays, all or nothing. `RefusedError` where one has not enough, or cannot be used."""
    requests = [request for source in sources for request in _reservation(session, context, order, source)]
    return post_transfers(session, requests, origin=origin_of(context)) if requests else ()


def post(session: Session, context: StepContext, order: Order) -> tuple[Transfer, ...]:
    """Post what stored value pays of the order; nothing where nothing is reserved, the same where it is posted already."""
    return _resolved(session, context, order, Phase.POST)


def void(session: Session, context: StepContext, order: Order) -> tuple[Transfer, ...]:
    """Set free what is reserved, and take back what was posted already; nothing where nothing is."""
    voided = _resolved(session, context, order, Phase.VOID)
    made = transfers_of(session, order.id)
    corrected = {one.corrects_id for one in made}
    posted = [
        one.id for one in made if one.phase is Phase.POST and _paid_by(one, made) in PAID_BY and one.id not in corrected
    ]
    if not posted:
        return voided
    back = correct(session, posted, reason=reason("corrected", of="sale.reserved"), origin=origin_of(context))
    return voided + back


def refund_requests(
    session: Session, order: Order, cause: Cause, shares: Iterable[GivenBack], *, refund: str
) -> list[TransferRequest]:
    """What gives a refund's shares back to the stored value they came from; `cause` is the refund's.

    Points come back in proportion to the money, so that all of it brings back all of them; where a share is worth less
    than a point, the money goes to the wallet. A gift card that has expired meanwhile lives again.
    """
    requests: list[TransferRequest] = []
    made = transfers_of(session, order.id)
    for share in shares:
        paid = {one: _reserved(made, share.payment_id, one) for one in PAID_BY}
        card, points, value = paid["sale.gift_card"], paid["sale.points"], paid["sale.points_value"]
        if card is not None:
            card_id = parties_of(session, [card.debit_account_id])[card.debit_account_id]
            revive(session, card_id)
            requests.append(_back(cause, "refund.gift_card", share, card_id, refund))
        elif paid["sale.wallet"] is not None:
            requests.append(_back(cause, "refund.wallet", share, _buyer(order), refund))
        elif points is not None and value is not None:
            requests += _points_back(cause, order, share, made, (points, value), refund)
        else:
            raise ConflictError("account.source_unknown", f"The payment {share.payment_id} spent no stored value.")
    return requests


def give_back(
    session: Session, context: StepContext, order: Order, shares: Sequence[GivenBack], *, refund_id: str
) -> tuple[Transfer, ...]:
    """Give shares back outside of a refund's own postings: from sales in transit, under ids of the refund."""
    cause = Cause(order.business, order.currency, order.id, (refund_id, "sources"))
    requests = refund_requests(session, order, cause, shares, refund=refund_id)
    return post_transfers(session, requests, origin=origin_of(context)) if requests else ()


def _reservation(session: Session, context: StepContext, order: Order, source: StoredSource) -> list[TransferRequest]:
    cause = Cause(order.business, order.currency, order.id, (source.payment_id,))
    amount = source.amount_minor
    if source.method is StoredMethod.GIFT_CARD:
        card = spendable_card(session, order.business, source.reference or "", order.currency)
        return [cause.transfer("sale.gift_card", amount, debit=card.id, phase=Phase.PENDING)]
    buyer = _buyer(order)
    if source.method is StoredMethod.WALLET:
        return [cause.transfer("sale.wallet", amount, debit=buyer, phase=Phase.PENDING)]
    value = value_of_points(context.identity, order.currency)
    return cause.pair(
        ("sale.points", "sale.points_value"),
        (value.points_for(amount), amount),
        (POINTS_CURRENCY, order.currency),
        (value.numerator, value.denominator),
        parties=(buyer, ""),
        phase=Phase.PENDING,
    )


def _resolved(session: Session, context: StepContext, order: Order, phase: Phase) -> tuple[Transfer, ...]:
    made = transfers_of(session, order.id)
    resolved = {one.pending_id: one for one in made if one.pending_id is not None}
    reserved = [one for one in made if one.phase is Phase.PENDING and read_reason(one.reason).code in PAID_BY]
    waiting = [one for one in reserved if one.id not in resolved]
    if not waiting:
        return tuple(resolved[one.id] for one in reserved if resolved[one.id].phase is phase)
    word = "posted" if phase is Phase.POST else "voided"
    requests = [
        TransferRequest(
            id=derived_id("trf", one.id, word),
            phase=phase,
            pending_id=one.id,
            subject=one.subject,
            reason=reason(word, of=one.reason),
        )
        for one in waiting
    ]
    return post_transfers(session, requests, origin=origin_of(context))


def _paid_by(one: Transfer, made: Sequence[Transfer]) -> str:
    pending = next((other for other in made if other.id == one.pending_id), None)
    return "" if pending is None else read_reason(pending.reason).code


def _reserved(made: Sequence[Transfer], payment_id: str, code: str) -> Transfer | None:
    """What the payment reserved by this posting, where it was posted and is not taken back."""
    id_ = derived_id("trf", payment_id, code)
    corrected = {one.corrects_id for one in made}
    posted = {one.pending_id for one in made if one.phase is Phase.POST and one.id not in corrected}
    return next((one for one in made if one.id == id_ and id_ in posted), None)


def _back(cause: Cause, code: str, share: GivenBack, party: str, refund: str) -> TransferRequest:
    part, payment = f"{code} {share.payment_id}", share.payment_id
    return cause.transfer(code, share.amount_minor, credit=party, part=part, refund=refund, payment=payment)


def _points_back(
    cause: Cause,
    order: Order,
    share: GivenBack,
    made: Sequence[Transfer],
    paid: tuple[Transfer, Transfer],
    refund: str,
) -> list[TransferRequest]:
    """Points of the amount given back so far, less what came back before: the sum is exact however it is split."""
    points, value = paid
    corrected = {one.corrects_id for one in made}
    back = given = 0
    for one in made:
        read = read_reason(one.reason)
        if read.parameters.get("payment") == share.payment_id and one.id not in corrected:
            back += one.amount_minor if read.code == "refund.points" else 0
            given += one.amount_minor if read.code == "refund.points_value" else 0
    whole = points_at(points.amount_minor, value.amount_minor, given + share.amount_minor)
    buyer = _buyer(order)
    if whole - back <= 0:
        return [_back(cause, "refund.wallet", share, buyer, refund)]
    return cause.pair(
        ("refund.points", "refund.points_value"),
        (whole - back, share.amount_minor),
        (POINTS_CURRENCY, order.currency),
        (value.amount_minor, points.amount_minor),
        parties=(buyer, ""),
        part=f"{share.payment_id} ",
        payment=share.payment_id,
        refund=refund,
    )


def points_at(points: int, value_minor: int, given_minor: int) -> int:
    """Of points that paid `value_minor`, how many belong to `given_minor` of it: half up."""
    return (2 * points * given_minor + value_minor) // (2 * value_minor)


def _buyer(order: Order) -> str:
    if order.buyer_id is None:
        raise RefusedError(
            "account.buyer_unknown", "A guest has no points and no wallet.", mend="Sign in, or pay another way."
        )
    return order.buyer_id
