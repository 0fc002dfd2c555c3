"""Queries of the ledger's pages: accounts, statements, transfers with both sides, the money of a subject."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from capabilities.account.contract import AccountKind, AccountRef, Side
from capabilities.account.labels import LABELS, label
from capabilities.account.models import AccountRow, BalanceRow, EntryRow, TransferRow
from capabilities.account.postings import told
from capabilities.account.queries import balance_at, balance_from, rebuilt_sums, ref_from, stored_sums, transfer_from
from capabilities.account.reports import (
    AccountPage,
    AccountSeen,
    MoneyMove,
    OutOfBalance,
    StatementEntry,
    StatementPage,
    TransferSeen,
)
from capabilities.kernel.clock import now
from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.kernel.money import Money

CSV_COLUMNS = (
    "time",
    "transfer",
    "subject",
    "reason",
    "other account",
    "party",
    "debit",
    "credit",
    "balance",
    "currency",
)
CSV_AT_ONCE = 500


def accounts_page(
    session: Session,
    business: str,
    cursor: str | None = None,
    *,
    kind: AccountKind | None = None,
    currency: str | None = None,
    party: str | None = None,
    search: str = "",
    limit: int = 50,
) -> AccountPage:
    """Accounts by kind, party and currency. `search` looks in parties (their beginning), ids and names of kinds."""
    found = select(AccountRow).where(AccountRow.business == business)
    if kind is not None:
        found = found.where(AccountRow.kind == kind.value)
    if currency is not None:
        found = found.where(AccountRow.currency == currency)
    if party is not None:
        found = found.where(AccountRow.party == party)
    if search.strip():
        text = search.strip()
        kinds = [one.value for one, names in LABELS.items() if any(text.lower() in name.lower() for name in names)]
        found = found.where(
            or_(AccountRow.party.startswith(text, autoescape=True), AccountRow.id == text, AccountRow.kind.in_(kinds))
        )
    keys = (AccountRow.kind, AccountRow.party, AccountRow.currency)
    if cursor is not None:
        found = found.where(tuple_(*keys) > tuple_(*read_cursor(cursor, 3)))
    rows = list(session.scalars(found.order_by(*keys).limit(limit + 1)))
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return AccountPage(
        accounts=_seen(session, shown),
        next_cursor=None if last is None else write_cursor(last.kind, last.party, last.currency),
    )


def account_of(session: Session, account_id: str, *, business: str | None = None) -> AccountSeen:
    """An account with its balance; `MissingError` where there is none (or not in this business)."""
    row = session.get(AccountRow, account_id)
    if row is None or (business is not None and row.business != business):
        raise MissingError("account.unknown", f"There is no account {account_id!r}.")
    return _seen(session, [row])[0]


def statement_page(
    session: Session,
    account_id: str,
    cursor: str | None = None,
    *,
    business: str | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    limit: int = 100,
) -> StatementPage:
    """An account's posted entries from `starts_at` until (before) `ends_at`, oldest first, with a running balance."""
    row = session.get(AccountRow, account_id)
    if row is None or (business is not None and row.business != business):
        raise MissingError("account.unknown", f"There is no account {account_id!r}.")
    account, until = ref_from(row), ends_at or now()
    opening = 0 if starts_at is None else _before(session, account, starts_at)
    period = _period(account, starts_at, until)
    debits, credited = _sums(session, period)
    carried = opening
    if cursor is not None:
        at, transfer_id = read_cursor(cursor, 2)
        key = (read_moment(at), transfer_id)
        earlier = _sums(session, [*period, tuple_(EntryRow.created_at, EntryRow.transfer_id) <= tuple_(*key)])
        carried += _on_side(account, *earlier)
        period.append(tuple_(EntryRow.created_at, EntryRow.transfer_id) > tuple_(*key))
    rows = session.execute(_lines(period).limit(limit + 1)).all()
    shown = rows[:limit]
    entries = _entries(account, shown, carried)
    last = shown[-1] if len(rows) > limit else None
    return StatementPage(
        account=account,
        starts_at=starts_at,
        ends_at=until,
        opening_minor=opening,
        debits_minor=debits,
        credits_minor=credited,
        closing_minor=opening + _on_side(account, debits, credited),
        carried_minor=carried,
        entries=entries,
        next_cursor=None
        if last is None
        else write_cursor(last.EntryRow.created_at.isoformat(), last.EntryRow.transfer_id),
    )


def statement_csv(
    session: Session,
    account_id: str,
    *,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    locale: str = "en",
) -> Iterator[str]:
    """The whole statement as CSV, line by line: opening, every entry, closing."""
    until = ends_at or now()
    page = statement_page(session, account_id, starts_at=starts_at, ends_at=until, limit=CSV_AT_ONCE)
    currency = page.account.currency
    yield _csv_line(CSV_COLUMNS)
    yield _csv_line(_edge(starts_at, "opening", page.opening_minor, currency))
    while True:
        for entry in page.entries:
            amount = Money(entry.amount_minor, currency).decimal()
            yield _csv_line(
                (
                    entry.created_at.isoformat(),
                    entry.transfer_id,
                    _harmless(entry.subject),
                    _harmless(told(entry.reason, locale)),
                    label(entry.other_kind, locale),
                    _harmless(entry.other_party),
                    amount if entry.side == "debit" else "",
                    amount if entry.side == "credit" else "",
                    Money(entry.balance_minor, currency).decimal(),
                    currency,
                )
            )
        if page.next_cursor is None:
            break
        page = statement_page(
            session, account_id, page.next_cursor, starts_at=starts_at, ends_at=until, limit=CSV_AT_ONCE
        )
    yield _csv_line(_edge(until, "closing", page.closing_minor, currency))


def transfer_of(session: Session, transfer_id: str, *, business: str | None = None) -> TransferSeen:
    """A transfer with both accounts, what resolved or corrected it, and its linked set; `MissingError` for none."""
    row = session.get(TransferRow, transfer_id)
    if row is None or (business is not None and row.business != business):
        raise MissingError("account.transfer_unknown", f"There is no transfer {transfer_id!r}.")
    beside = or_(
        TransferRow.pending_id == row.id, TransferRow.corrects_id == row.id, TransferRow.linked_id == row.linked_id
    )
    around = session.scalars(select(TransferRow).where(beside).order_by(TransferRow.id)).all()
    refs = _refs(session, [row])
    return TransferSeen(
        transfer=transfer_from(row),
        debit=refs[row.debit_account_id],
        credit=refs[row.credit_account_id],
        resolved_by=next((one.id for one in around if one.pending_id == row.id), None),
        corrected_by=next((one.id for one in around if one.corrects_id == row.id), None),
        linked=tuple(one.id for one in around if one.linked_id == row.linked_id and one.id != row.id),
    )


def money_of_order(session: Session, order_id: str) -> tuple[MoneyMove, ...]:
    """Every transfer about an order in time, with both sides: the timeline of its money."""
    return money_of(session, order_id)


def money_of(session: Session, subject: str) -> tuple[MoneyMove, ...]:
    """Every transfer about a subject (an order, a payout, a gift card) in time, those of a linked set together."""
    rows = session.scalars(
        select(TransferRow)
        .where(TransferRow.subject == subject)
        .order_by(TransferRow.created_at, TransferRow.linked_id, TransferRow.id)
    ).all()
    refs = _refs(session, rows)
    resolved = {row.pending_id: row.id for row in rows if row.pending_id is not None}
    corrected = {row.corrects_id: row.id for row in rows if row.corrects_id is not None}
    return tuple(
        MoneyMove(
            transfer_id=row.id,
            linked_id=row.linked_id,
            phase=transfer_from(row).phase,
            debit=refs[row.debit_account_id],
            credit=refs[row.credit_account_id],
            amount_minor=row.amount_minor,
            currency=row.currency,
            reason=row.reason,
            subject=row.subject,
            pending_id=row.pending_id,
            corrects_id=row.corrects_id,
            resolved_by=resolved.get(row.id),
            corrected_by=corrected.get(row.id),
            actor=row.actor,
            created_at=row.created_at,
        )
        for row in rows
    )


def out_of_balance(session: Session, business: str) -> tuple[OutOfBalance, ...]:
    """Accounts whose stored balance is not that of their entries, and currencies whose sides differ; empty where all is well."""
    stored = select(BalanceRow.account_id, *stored_sums()).where(BalanceRow.business == business)
    kept = stored.group_by(BalanceRow.account_id).subquery()
    rebuilt = select(EntryRow.account_id, *rebuilt_sums()).where(EntryRow.business == business)
    summed = rebuilt.group_by(EntryRow.account_id).subquery()
    both = select(
        AccountRow,
        (func.coalesce(kept.c.debits_posted, 0) - func.coalesce(kept.c.credits_posted, 0)).label("stored"),
        (func.coalesce(summed.c.debits_posted, 0) - func.coalesce(summed.c.credits_posted, 0)).label("rebuilt"),
        (func.coalesce(kept.c.debits_pending, 0) - func.coalesce(summed.c.debits_pending, 0)).label("debits_off"),
        (func.coalesce(kept.c.credits_pending, 0) - func.coalesce(summed.c.credits_pending, 0)).label("credits_off"),
    )
    joined = both.outerjoin(kept, kept.c.account_id == AccountRow.id).outerjoin(
        summed, summed.c.account_id == AccountRow.id
    )
    off: list[OutOfBalance] = []
    sides: dict[str, int] = {}
    for row in session.execute(joined.where(AccountRow.business == business).order_by(AccountRow.id)):
        account, stored_minor, rebuilt_minor = row[0], int(row.stored), int(row.rebuilt)
        sides[account.currency] = sides.get(account.currency, 0) + stored_minor
        if stored_minor != rebuilt_minor or row.debits_off or row.credits_off:
            off.append(
                OutOfBalance(
                    account_id=account.id,
                    currency=account.currency,
                    stored_minor=stored_minor,
                    rebuilt_minor=rebuilt_minor,
                )
            )
    off += [
        OutOfBalance(account_id=None, currency=currency, stored_minor=difference, rebuilt_minor=0)
        for currency, difference in sorted(sides.items())
        if difference
    ]
    return tuple(off)


def unequal_sides(session: Session, business: str) -> dict[str, int]:
    """By currency what debits exceed credits by, stored sums alone, where they differ: cheap enough for every page."""
    difference = func.sum(BalanceRow.debits_posted_minor) - func.sum(BalanceRow.credits_posted_minor)
    found = session.execute(
        select(AccountRow.currency, difference)
        .join(BalanceRow, BalanceRow.account_id == AccountRow.id)
        .where(AccountRow.business == business)
        .group_by(AccountRow.currency)
        .having(difference != 0)
        .order_by(AccountRow.currency)
    )
    return {currency: int(minor) for currency, minor in found}


def count_open_pending(session: Session, business: str) -> int:
    """How many reservations wait to be posted or voided, for Today."""
    resolving = aliased(TransferRow)
    is_resolved = select(resolving.id).where(resolving.pending_id == TransferRow.id).exists()
    found = select(func.count()).where(TransferRow.business == business, TransferRow.phase == "pending", ~is_resolved)
    return int(session.execute(found).scalar_one())


def _seen(session: Session, rows: Sequence[AccountRow]) -> tuple[AccountSeen, ...]:
    found = session.execute(
        select(BalanceRow.account_id, *stored_sums())
        .where(BalanceRow.account_id.in_([row.id for row in rows]))
        .group_by(BalanceRow.account_id)
    )
    sums = {row[0]: row[1:] for row in found}
    return tuple(
        AccountSeen(
            account=ref_from(row),
            balance=balance_from(ref_from(row), sums.get(row.id, (0, 0, 0, 0))),
            lowest_minor=row.lowest_minor,
            highest_minor=row.highest_minor,
            opened_at=row.opened_at,
        )
        for row in rows
    )


def _refs(session: Session, rows: Sequence[TransferRow]) -> dict[str, AccountRef]:
    ids = sorted({id_ for row in rows for id_ in (row.debit_account_id, row.credit_account_id)})
    return {row.id: ref_from(row) for row in session.scalars(select(AccountRow).where(AccountRow.id.in_(ids)))}


def _before(session: Session, account: AccountRef, moment: datetime) -> int:
    """The posted balance of everything before a moment: `balance_at` includes it."""
    at_once = [
        EntryRow.account_id == account.id,
        EntryRow.layer == "posted",
        EntryRow.created_at == moment,
    ]
    return balance_at(session, account, moment).minor - _on_side(account, *_sums(session, at_once))


def _period(account: AccountRef, starts_at: datetime | None, until: datetime) -> list[Any]:
    conditions = [EntryRow.account_id == account.id, EntryRow.layer == "posted", EntryRow.created_at < until]
    return conditions if starts_at is None else [*conditions, EntryRow.created_at >= starts_at]


def _sums(session: Session, conditions: Sequence[Any]) -> tuple[int, int]:
    of = [
        func.coalesce(func.sum(case((EntryRow.side == side, EntryRow.amount_minor), else_=0)), 0)
        for side in ("debit", "credit")
    ]
    debits, credited = session.execute(select(*of).where(*conditions)).one()
    return int(debits), int(credited)


def _on_side(account: AccountRef, debits: int, credited: int) -> int:
    return debits - credited if account.side is Side.ASSET else credited - debits


def _lines(conditions: Sequence[Any]) -> Select[Any, Any, Any, Any, Any]:
    other = case((EntryRow.side == "debit", TransferRow.credit_account_id), else_=TransferRow.debit_account_id)
    return (
        select(EntryRow, TransferRow.subject, TransferRow.reason, TransferRow.corrects_id, AccountRow)
        .join(TransferRow, TransferRow.id == EntryRow.transfer_id)
        .join(AccountRow, and_(AccountRow.id == other))
        .where(*conditions)
        .order_by(EntryRow.created_at, EntryRow.transfer_id)
    )


def _entries(
    account: AccountRef, rows: Sequence[Row[Any, Any, Any, Any, Any]], carried: int
) -> tuple[StatementEntry, ...]:
    made, balance = [], carried
    for row in rows:
        entry, other = row.EntryRow, row.AccountRow
        debit = entry.amount_minor if entry.side == "debit" else 0
        balance += _on_side(account, debit, entry.amount_minor - debit)
        made.append(
            StatementEntry(
                transfer_id=entry.transfer_id,
                created_at=entry.created_at,
                subject=row.subject,
                reason=row.reason,
                side=entry.side,
                amount_minor=entry.amount_minor,
                balance_minor=balance,
                other_account_id=other.id,
                other_kind=AccountKind(other.kind),
                other_party=other.party,
                corrects_id=row.corrects_id,
            )
        )
    return tuple(made)


def _edge(moment: datetime | None, word: str, balance_minor: int, currency: str) -> tuple[str, ...]:
    at = "" if moment is None else moment.isoformat()
    return (at, "", "", word, "", "", "", "", Money(balance_minor, currency).decimal(), currency)


def _harmless(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _csv_line(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue()
