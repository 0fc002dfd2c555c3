"""Gift cards: issued, topped up, frozen, expired. What is on a card stands in its ledger account and nowhere else."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.account.contract import Origin, TransferRequest
from capabilities.account.extensions import gift_card_life_days
from capabilities.account.models import GiftCardRow
from capabilities.account.postings import Cause
from capabilities.account.queries import balance_of
from capabilities.account.queries_stored import card_from, gift_card_of
from capabilities.account.service import post_transfers
from capabilities.account.stored import (
    CODE_LENGTH,
    CODE_LETTERS,
    Funding,
    GiftCard,
    GiftCardState,
    IssueGiftCard,
    TopUpGiftCard,
    card_account,
    card_reference,
)
from capabilities.kernel.clock import now
from capabilities.kernel.database import rows_changed
from capabilities.kernel.errors import ConflictError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish

FUNDED = {
    Funding.GIVEN: "gift_card.given",
    Funding.PROVIDER: "gift_card.provider",
    Funding.BANK: "gift_card.bank",
}


def new_code() -> str:
    """A code nobody can guess, for whoever hands the card over; it is not kept."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


def issue_gift_card(session: Session, request: IssueGiftCard, *, origin: Origin) -> GiftCard:
    """Issue a card with its money. The same key gives the same card; another request under it raises `ConflictError`."""
    moment = now()
    card_id = card_id_of(request.business, request.key)
    row = {
        "id": card_id,
        "business": request.business,
        "reference": request.reference,
        "last4": request.last4,
        "currency": request.currency,
        "initial_minor": request.amount_minor,
        "state": GiftCardState.ACTIVE.value,
        "funding": request.funding.value,
        "buyer_id": request.buyer_id,
        "subject": request.subject,
        "actor": origin.actor,
        "issued_at": moment,
        "expires_at": request.expires_at or _end_of_life(request.business, moment),
    }
    added = session.execute(insert(GiftCardRow).values(row).on_conflict_do_nothing().returning(GiftCardRow.id)).first()
    found = session.get(GiftCardRow, card_id)
    if found is None:
        raise ConflictError("account.code_taken", "Another gift card has this code.", mend="Issue it with a new code.")
    same = ("reference", "currency", "initial_minor", "funding", "buyer_id", "subject")
    if added is None and any(getattr(found, name) != row[name] for name in same):
        raise ConflictError("account.card_reused", "This key has issued another gift card.", mend="Use a new key.")
    cause = Cause(request.business, request.currency, card_id, (card_id, "issued"))
    post_transfers(session, [_loading(cause, request.funding, card_id, request.amount_minor)], origin=origin)
    if added is not None:
        publish(
            session,
            type="gift_card.issued",
            business=request.business,
            subject=card_id,
            data={"amount_minor": request.amount_minor, "currency": request.currency, "last4": request.last4},
        )
    return gift_card_of(session, card_id)


def top_up_gift_card(session: Session, request: TopUpGiftCard, *, origin: Origin) -> GiftCard:
    """Put more money on an active card; the same key does it once."""
    card = _locked(session, request.card_id)
    cause = Cause(card.business, card.currency, card.id, (card.id, "top up", request.key))
    loading = _loading(cause, request.funding, card.id, request.amount_minor)
    if card.state != GiftCardState.ACTIVE.value:
        raise _not_active(card.state)
    post_transfers(session, [loading], origin=origin)
    return card_from(card, balance_of(session, card_account(card.business, card.id, card.currency)))


def freeze_gift_card(session: Session, card_id: str, *, reason: str) -> bool:
    """Nothing can be spent from a frozen card; False where it was frozen already."""
    return _move(session, card_id, GiftCardState.ACTIVE, GiftCardState.FROZEN, reason)


def thaw_gift_card(session: Session, card_id: str, *, reason: str) -> bool:
    """A frozen card can be spent again; False where it could."""
    return _move(session, card_id, GiftCardState.FROZEN, GiftCardState.ACTIVE, reason)


def expire_gift_cards(session: Session, *, origin: Origin, limit: int = 500) -> int:
    """Expire cards whose time is over: what is on them becomes revenue. What a checkout has reserved waits for its end."""
    due = session.scalars(
        select(GiftCardRow)
        .where(GiftCardRow.state != GiftCardState.EXPIRED.value, GiftCardRow.expires_at <= now())
        .order_by(GiftCardRow.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    expired = 0
    for row in due:
        balance = balance_of(session, card_account(row.business, row.id, row.currency))
        if balance.minor != balance.available_minor or balance.credits_pending_minor:
            continue
        if balance.minor:
            cause = Cause(row.business, row.currency, row.id, (row.id, "expired"))
            post_transfers(session, [cause.transfer("gift_card.expired", balance.minor, debit=row.id)], origin=origin)
        row.state, row.state_reason = GiftCardState.EXPIRED.value, "expired"
        expired += 1
    session.flush()
    return expired


def spendable_card(session: Session, business: str, code_or_reference: str, currency: str) -> GiftCardRow:
    """The active card of a code in this business and currency, locked against freezing; `RefusedError` for any other.

    The answer is the same for a code that does not exist and one that cannot be used here: a guess learns nothing.
    """
    reference = card_reference(code_or_reference)
    row = session.scalars(
        select(GiftCardRow)
        .where(GiftCardRow.business == business, GiftCardRow.reference == reference)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).first()
    usable = row is not None and row.currency == currency and row.state == GiftCardState.ACTIVE.value
    if row is None or not usable or (row.expires_at is not None and row.expires_at <= now()):
        raise RefusedError(
            "account.card_unusable",
            "This gift card cannot be used here.",
            mend="Check the code, or pay another way.",
        )
    return row


def revive(session: Session, card_id: str) -> None:
    """Money comes back to a card that has expired: it can be spent again, for a life of its own."""
    moment = now()
    card = gift_card_of(session, card_id)
    session.execute(
        update(GiftCardRow)
        .where(GiftCardRow.id == card_id, GiftCardRow.state == GiftCardState.EXPIRED.value)
        .values(
            state=GiftCardState.ACTIVE.value, state_reason="given back", expires_at=_end_of_life(card.business, moment)
        )
    )


def card_id_of(business: str, key: str) -> str:
    """The id of the card a key issues."""
    return derived_id("gc", business, key)


def _loading(cause: Cause, funding: Funding, card_id: str, amount_minor: int) -> TransferRequest:
    return cause.transfer(FUNDED[funding], amount_minor, credit=card_id)


def _end_of_life(business: str, moment: datetime) -> datetime | None:
    days = gift_card_life_days.for_identity(BusinessIdentity(business))()
    return None if days is None else moment + timedelta(days=days)


def _locked(session: Session, card_id: str) -> GiftCardRow:
    gift_card_of(session, card_id)
    found = select(GiftCardRow).where(GiftCardRow.id == card_id).with_for_update()
    return session.scalars(found.execution_options(populate_existing=True)).one()


def _move(session: Session, card_id: str, before: GiftCardState, after: GiftCardState, reason: str) -> bool:
    changed = session.execute(
        update(GiftCardRow)
        .where(GiftCardRow.id == card_id, GiftCardRow.state == before.value)
        .values(state=after.value, state_reason=reason)
    )
    card = gift_card_of(session, card_id)
    if rows_changed(changed) == 0 and card.state is not after:
        raise _not_active(card.state.value)
    if rows_changed(changed):
        publish(
            session,
            type=f"gift_card.{'frozen' if after is GiftCardState.FROZEN else 'thawed'}",
            business=card.business,
            subject=card_id,
            data={"reason": reason},
        )
    return rows_changed(changed) > 0


def _not_active(state: str) -> RefusedError:
    return RefusedError("account.card_not_active", f"This gift card is {state}.", mend="Issue a new one.")
