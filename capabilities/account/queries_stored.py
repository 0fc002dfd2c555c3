"""What can be asked of stored value: gift cards, and what a buyer may spend."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.orm import Session

from capabilities.account.contract import POINTS_CURRENCY, AccountKind, AccountRef, Balance
from capabilities.account.extensions import point_value
from capabilities.account.models import AccountRow, BalanceRow, EntryRow, GiftCardRow
from capabilities.account.queries import balance_from, balance_of, stored_sums
from capabilities.account.stored import (
    Funding,
    GiftCard,
    GiftCardPage,
    GiftCardState,
    PointValue,
    StoredBalance,
    card_account,
    points_of,
    wallet_of,
)
from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.kernel.identity import BusinessIdentity


def gift_card_of(session: Session, card_id: str, *, business: str | None = None) -> GiftCard:
    """A gift card with what is on it; `MissingError` where there is none (or not in this business)."""
    found = select(GiftCardRow).where(GiftCardRow.id == card_id).execution_options(populate_existing=True)
    row = session.scalars(found).first()
    if row is None or (business is not None and row.business != business):
        raise MissingError("account.card_unknown", f"There is no gift card {card_id!r}.")
    return card_from(row, balance_of(session, card_account(row.business, row.id, row.currency)))


def gift_card_with(session: Session, business: str, reference: str) -> GiftCard | None:
    """The gift card of a code's reference, with what is on it; None where the business has none."""
    found = select(GiftCardRow).where(GiftCardRow.business == business, GiftCardRow.reference == reference)
    row = session.scalars(found.execution_options(populate_existing=True)).first()
    return (
        None if row is None else card_from(row, balance_of(session, card_account(row.business, row.id, row.currency)))
    )


def gift_cards_page(
    session: Session,
    business: str,
    cursor: str | None = None,
    *,
    state: GiftCardState | None = None,
    search: str = "",
    limit: int = 50,
) -> GiftCardPage:
    """Gift cards, newest first. `search` looks in the last four letters, the buyer and what the card was issued for."""
    found = select(GiftCardRow).where(GiftCardRow.business == business)
    if state is not None:
        found = found.where(GiftCardRow.state == state.value)
    if search:
        text = search.strip()
        is_last4 = GiftCardRow.last4 == text[-4:].upper()
        found = found.where(
            or_(is_last4, GiftCardRow.buyer_id == text, GiftCardRow.subject == text, GiftCardRow.id == text)
        )
    if cursor is not None:
        at, card_id = read_cursor(cursor, 2)
        found = found.where(tuple_(GiftCardRow.issued_at, GiftCardRow.id) < tuple_(read_moment(at), card_id))
    found = found.order_by(GiftCardRow.issued_at.desc(), GiftCardRow.id.desc()).limit(limit + 1)
    rows = list(session.scalars(found))
    shown = rows[:limit]
    refs = {row.id: card_account(row.business, row.id, row.currency) for row in shown}
    balances = balances_of(session, list(refs.values()))
    last = shown[-1] if len(rows) > limit else None
    return GiftCardPage(
        cards=tuple(card_from(row, balances[refs[row.id].id]) for row in shown),
        next_cursor=None if last is None else write_cursor(last.issued_at.isoformat(), last.id),
    )


def count_gift_cards(session: Session, business: str, state: GiftCardState) -> int:
    """How many cards stand so."""
    found = select(func.count()).where(GiftCardRow.business == business, GiftCardRow.state == state.value)
    return int(session.execute(found).scalar_one())


def balances_of(session: Session, accounts: list[AccountRef]) -> dict[str, Balance]:
    """Balances of several accounts by id; zero for one that was never used."""
    found = session.execute(
        select(BalanceRow.account_id, *stored_sums())
        .where(BalanceRow.account_id.in_([ref.id for ref in accounts]))
        .group_by(BalanceRow.account_id)
    )
    sums = {row[0]: row[1:] for row in found}
    return {ref.id: balance_from(ref, sums.get(ref.id, (0, 0, 0, 0))) for ref in accounts}


def stored_balance_of(session: Session, identity: BusinessIdentity, buyer_id: str, currency: str) -> StoredBalance:
    """What a buyer may spend here, and what they owe."""
    business = identity.business
    wallet, points = wallet_of(business, buyer_id, currency), points_of(business, buyer_id)
    debts = [debt_of(business, buyer_id, currency), debt_of(business, buyer_id, POINTS_CURRENCY)]
    found = balances_of(session, [wallet, points, *debts])
    spendable = max(0, found[points.id].available_minor)
    return StoredBalance(
        wallet_minor=max(0, found[wallet.id].available_minor),
        points=spendable,
        points_worth_minor=value_of_points(identity, currency).spendable_minor(spendable),
        debt_minor=found[debts[0].id].minor,
        debt_points=found[debts[1].id].minor,
    )


def value_of_points(identity: BusinessIdentity, currency: str) -> PointValue:
    """What a point is worth in a line of business."""
    return point_value.for_identity(identity)(currency)


def points_older_than(
    session: Session, business: str, cutoff: datetime, *, buyer_id: str | None = None
) -> dict[str, int]:
    """By buyer: points earned before the moment and not spent since, the oldest counted as spent first.

    What is reserved counts as spent; so no more than can be taken is told. `buyer_id` asks about one buyer only.
    """
    whose = [] if buyer_id is None else [AccountRow.party == buyer_id]
    earned = func.sum(EntryRow.amount_minor).filter(
        EntryRow.side == "credit", EntryRow.layer == "posted", EntryRow.created_at < cutoff
    )
    spent = func.sum(EntryRow.amount_minor).filter(EntryRow.side == "debit")
    left = func.coalesce(earned, 0) - func.coalesce(spent, 0)
    found = session.execute(
        select(AccountRow.party, left)
        .join(EntryRow, EntryRow.account_id == AccountRow.id)
        .where(AccountRow.business == business, AccountRow.kind == AccountKind.POINTS.value, *whose)
        .group_by(AccountRow.party)
        .having(left > 0)
        .order_by(AccountRow.party)
    )
    return {party: int(points) for party, points in found}


def debt_of(business: str, buyer_id: str, currency: str) -> AccountRef:
    """What a buyer owes because something granted was taken back after it was spent."""
    return AccountRef(business=business, kind=AccountKind.BUYER_DEBT, party=buyer_id, currency=currency)


def card_from(row: GiftCardRow, balance: Balance) -> GiftCard:
    """A row with its balance as others see it."""
    return GiftCard(
        id=row.id,
        business=row.business,
        last4=row.last4,
        currency=row.currency,
        initial_minor=row.initial_minor,
        balance_minor=balance.minor,
        available_minor=balance.available_minor,
        state=GiftCardState(row.state),
        state_reason=row.state_reason,
        funding=Funding(row.funding),
        buyer_id=row.buyer_id,
        subject=row.subject,
        issued_at=row.issued_at,
        expires_at=row.expires_at,
    )
