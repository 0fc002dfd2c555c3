"""Giving a part of an order's money back over its sources: intent and record of `payment.refund_shares`.

The payments of the order stay locked while the shares are computed and written, so that two refunds can never give the
same money back. A share its provider refuses is asked for again under a key of its own, when the refund is asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError, RefusedError, UnavailableError
from capabilities.kernel.ids import derived_id
from capabilities.payment.asking import Answer, Intent, together
from capabilities.payment.contract import Payment, PaymentEventKind, RefundOfShares, SourceKind, SourceShare
from capabilities.payment.intents import call_for, record_answers
from capabilities.payment.models import RefundShareRow
from capabilities.payment.providers.protocol import Action
from capabilities.payment.queries import payments_of_order
from capabilities.payment.service import Origin, event_row, lock_payments, record_events, record_request
from capabilities.payment.sharing import share_back

K = PaymentEventKind
Standing = Literal["succeeded", "unknown", "failed"]
REFUSED_BESIDE = "another_source_refused"
"""Why stored value was not given back: what it was to be given back with was refused."""


@dataclass(frozen=True, slots=True)
class _Share:
    """A share's newest attempt, and how it stands."""

    row: RefundShareRow
    payment: Payment
    status: Standing
    reason: str | None


def intend_refund_shares(
    session: Session, *, refund_id: str, order_id: str, amount_minor: int, origin: Origin
) -> Intent:
    """Write what each source gives back and ask for it. What was given back or is under way is not asked for again."""
    payments = lock_payments(session, order_id)
    shares = _shares(session, refund_id, payments)
    fresh: set[str] = set()
    if not shares:
        for payment, part in zip(payments, _split(payments, amount_minor), strict=True):
            if part:
                fresh.add(_ask_for(session, payment, refund_id, 1, part, origin))
    elif sum(share.row.amount_minor for share in shares) != amount_minor:
        raise ConflictError("payment.refund_changed", "This refund was begun with another amount.", refund_id=refund_id)
    for share in shares:
        if share.status == "failed":
            fresh.add(_ask_again(session, share, refund_id, origin))
    return _calls(refund_id, _shares(session, refund_id, lock_payments(session, order_id)), fresh)


def intend_finding_refund(session: Session, refund_id: str) -> Intent:
    """Ask after what is open of a refund; an order the provider never heard of is sent again."""
    order_id = _order_of(session, refund_id)
    return _calls(refund_id, _shares(session, refund_id, lock_payments(session, order_id)))


def record_refund_shares(session: Session, intent: Intent, answer: Answer, *, origin: Origin) -> RefundOfShares:
    """Write the answers, and let stored value follow: it is given back when all providers have said yes."""
    refund_id = intent.refund_id or ""
    record_answers(session, intent, answer, origin=origin)
    order_id = _order_of(session, refund_id)
    shares = _shares(session, refund_id, lock_payments(session, order_id))
    of_cards = {share.status for share in shares if not share.payment.kind.is_stored}
    for share in shares:
        if share.payment.kind.is_stored and share.status == "unknown" and "unknown" not in of_cards:
            kind = K.REFUND_FAILURE if "failed" in of_cards else K.REFUND_SUCCESS
            told = event_row(kind, share.row.reference, share.row.amount_minor, now())
            told["reason"] = REFUSED_BESIDE if kind is K.REFUND_FAILURE else None
            record_events(session, share.payment, [told], origin)
    return refund_of_shares(session, refund_id)


def refund_of_shares(session: Session, refund_id: str) -> RefundOfShares:
    """A refund as its sources saw it; `MissingError` where nothing was asked of any."""
    order_id = _order_of(session, refund_id)
    shares = _shares(session, refund_id, payments_of_order(session, order_id))
    given = sum(share.row.amount_minor for share in shares if share.status == "succeeded")
    stands = {share.status for share in shares}
    refused = [share for share in shares if share.status == "failed" and share.reason != REFUSED_BESIDE]
    return RefundOfShares(
        refund_id=refund_id,
        order_id=order_id,
        status=_together(stands),
        amount_minor=sum(share.row.amount_minor for share in shares),
        given_minor=given,
        shares=tuple(map(_told, shares)),
        reason=refused[0].reason if refused else None,
    )


def shares_of_refund(session: Session, refund_id: str) -> tuple[SourceShare, ...]:
    """How each source of a refund stands; empty where nothing was asked of any."""
    is_asked = session.scalar(select(RefundShareRow.order_id).where(RefundShareRow.refund_id == refund_id).limit(1))
    return () if is_asked is None else refund_of_shares(session, refund_id).shares


def shares_of_payment(payment: Payment, amount_minor: int) -> SourceShare:
    """A share that is not asked for yet: for previews."""
    return SourceShare(
        payment_id=payment.id,
        position=payment.position,
        kind=payment.kind,
        method=payment.method,
        provider=payment.provider,
        reference=payment.reference,
        currency=payment.currency,
        amount_minor=amount_minor,
    )


def preview_refund(session: Session, order_id: str, amount_minor: int) -> tuple[SourceShare, ...]:
    """What each source would give back now: what `payment.refund_shares` does with the same amount."""
    payments = payments_of_order(session, order_id)
    parts = _split(payments, amount_minor)
    return tuple(shares_of_payment(one, part) for one, part in zip(payments, parts, strict=True) if part)


# --- within -----------------------------------------------------------------------------------------------------


def _split(payments: Sequence[Payment], amount_minor: int) -> tuple[int, ...]:
    if any(payment.amounts.charge_pending_minor > 0 for payment in payments):
        raise UnavailableError(
            "payment.capture_pending",
            "The provider has not said yet whether it took the money.",
            mend="Try again when the capture is known.",
        )
    if not any(payment.left_minor for payment in payments):
        raise RefusedError("payment.nothing_to_refund", "Nothing of this order is there to be given back.")
    return share_back(amount_minor, [payment.left_minor for payment in payments])


def _ask_for(
    session: Session, payment: Payment, refund_id: str, attempt: int, amount_minor: int, origin: Origin
) -> str:
    """The key, written together with the request; its uniqueness would let only one of two win."""
    reference = derived_id("ref", payment.id, refund_id, str(attempt))
    session.execute(
        insert(RefundShareRow).values(
            refund_id=refund_id,
            payment_id=payment.id,
            attempt=attempt,
            business=payment.business,
            order_id=payment.order_id,
            amount_minor=amount_minor,
            reference=reference,
            created_at=now(),
        )
    )
    record_request(
        session, payment, action=Action.REFUND, reference=reference, amount_minor=amount_minor, origin=origin
    )
    return reference


def _ask_again(session: Session, share: _Share, refund_id: str, origin: Origin) -> str:
    amount = share.row.amount_minor
    if share.payment.left_minor < amount:
        raise RefusedError(
            "payment.refund_too_large",
            f"Of this source {share.payment.left_minor} can still be given back, not {amount}.",
            mend="Other refunds have taken it meanwhile: settle the rest another way.",
            left_minor=share.payment.left_minor,
            amount_minor=amount,
        )
    return _ask_for(session, share.payment, refund_id, share.row.attempt + 1, amount, origin)


def _calls(refund_id: str, shares: Sequence[_Share], fresh: Collection[str] = ()) -> Intent:
    """What is open of the cards. A key that was written earlier may have been sent: it is looked up first."""
    open_ones = [share for share in shares if share.status == "unknown" and share.payment.kind is SourceKind.CARD]
    intents = [
        Intent(
            payment_id=share.payment.id,
            provider=share.payment.provider,
            call=call_for(share.payment, Action.REFUND, share.row.reference, share.row.amount_minor),
            may_be_sent=share.row.reference not in fresh,
            refund_id=refund_id,
        )
        for share in open_ones
    ]
    return together(intents) if intents else Intent(payment_id=None, refund_id=refund_id)


def _shares(session: Session, refund_id: str, payments: Sequence[Payment]) -> list[_Share]:
    """The newest attempt of each share, by the payments' recorded order."""
    rows = session.scalars(
        select(RefundShareRow).where(RefundShareRow.refund_id == refund_id).order_by(RefundShareRow.attempt)
    )
    newest = {row.payment_id: row for row in rows}
    return [_share(newest[payment.id], payment) for payment in payments if payment.id in newest]


def _share(row: RefundShareRow, payment: Payment) -> _Share:
    told = [event for event in payment.events if event.reference == row.reference and event.is_counted]
    failures = [event for event in told if event.kind is K.REFUND_FAILURE]
    successes = [event for event in told if event.kind is K.REFUND_SUCCESS]
    latest = max((event.occurred_at for event in failures), default=None)
    if successes and (latest is None or latest <= max(event.occurred_at for event in successes)):
        return _Share(row, payment, "succeeded", None)
    if failures:
        return _Share(row, payment, "failed", failures[-1].reason)
    return _Share(row, payment, "unknown", None)


def _order_of(session: Session, refund_id: str) -> str:
    found = session.scalars(select(RefundShareRow.order_id).where(RefundShareRow.refund_id == refund_id).limit(1))
    order_id = found.one_or_none()
    if order_id is None:
        raise MissingError("payment.refund_missing", f"Nothing was asked back for the refund {refund_id!r}.")
    return order_id


def _together(stands: set[Standing]) -> Literal["succeeded", "unknown", "failed", "incomplete"]:
    if "unknown" in stands:
        return "unknown"
    if stands == {"succeeded"}:
        return "succeeded"
    return "incomplete" if "succeeded" in stands else "failed"


def _told(share: _Share) -> SourceShare:
    plain = shares_of_payment(share.payment, share.row.amount_minor)
    return plain.model_copy(update={"status": share.status, "reason": share.reason})
