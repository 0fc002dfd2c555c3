"""What can be asked of the ledger: entries, balances now and at any moment, the trial balance."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from capabilities.account.contract import (
    AccountKind,
    AccountRef,
    Balance,
    Entry,
    Exchange,
    Phase,
    Side,
    Transfer,
    TrialBalance,
)
from capabilities.account.models import AccountRow, BalanceRow, CheckpointRow, EntryRow, TransferRow

SUMS = ("debits_posted", "credits_posted", "debits_pending", "credits_pending")


def entries_of(session: Session, subject: str) -> tuple[Entry, ...]:
    """Every entry about a subject, such as an order, oldest first, the debit before the credit."""
    found = session.execute(
        select(EntryRow, AccountRow.kind, AccountRow.party, TransferRow.reason)
        .join(TransferRow, TransferRow.id == EntryRow.transfer_id)
        .join(AccountRow, AccountRow.id == EntryRow.account_id)
        .where(TransferRow.subject == subject)
        .order_by(EntryRow.created_at, EntryRow.transfer_id, EntryRow.layer, EntryRow.side.desc())
    )
    return tuple(
        Entry(
            transfer_id=row.transfer_id,
            account_id=row.account_id,
            kind=AccountKind(kind),
            party=party,
            layer=row.layer,
            side=row.side,
            amount_minor=row.amount_minor,
            currency=row.currency,
            reason=reason,
            created_at=row.created_at,
        )
        for row, kind, party, reason in found
    )


def transfers_of(session: Session, subject: str) -> tuple[Transfer, ...]:
    """Every transfer about a subject, oldest first."""
    rows = session.scalars(
        select(TransferRow).where(TransferRow.subject == subject).order_by(TransferRow.created_at, TransferRow.id)
    )
    return tuple(transfer_from(row) for row in rows)


def find_transfer(session: Session, transfer_id: str) -> Transfer | None:
    """The transfer of that id; None where there is none."""
    row = session.get(TransferRow, transfer_id)
    return None if row is None else transfer_from(row)


def balance_of(session: Session, account: AccountRef, *, at: datetime | None = None) -> Balance:
    """The balance now, or as it was at a moment (see `balance_at`). Zero for an account never used."""
    if at is not None:
        return balance_at(session, account, at)
    found = select(*stored_sums()).where(BalanceRow.account_id == account.id)
    return balance_from(account, session.execute(found).one())


def balance_at(session: Session, account: AccountRef, at: datetime) -> Balance:
    """The balance as it was at a moment, entries up to and including it: from the last closed day before it on."""
    kept = session.execute(
        select(CheckpointRow)
        .where(CheckpointRow.account_id == account.id, CheckpointRow.at <= at)
        .order_by(CheckpointRow.at.desc())
        .limit(1)
    ).scalar_one_or_none()
    since = select(*rebuilt_sums()).where(EntryRow.account_id == account.id, EntryRow.created_at <= at)
    if kept is None:
        return balance_from(account, session.execute(since).one())
    sums = session.execute(since.where(EntryRow.created_at >= kept.at)).one()
    before = (getattr(kept, f"{name}_minor") for name in SUMS)
    return balance_from(account, [old + int(new) for old, new in zip(before, sums, strict=True)])


def trial_balance(session: Session, business: str, *, at: datetime | None = None) -> tuple[TrialBalance, ...]:
    """Every account of a business with its balance now, or as it was at a moment; a page a currency."""
    if at is None:
        joined = select(AccountRow, *stored_sums()).join(BalanceRow, BalanceRow.account_id == AccountRow.id)
    else:
        moved = (EntryRow.account_id == AccountRow.id) & (EntryRow.created_at <= at)
        joined = select(AccountRow, *rebuilt_sums()).join(EntryRow, moved)
    found = session.execute(
        joined.where(AccountRow.business == business)
        .group_by(AccountRow.id)
        .order_by(AccountRow.currency, AccountRow.kind, AccountRow.party)
    )
    pages: dict[str, list[tuple[AccountRef, Balance]]] = {}
    for row, *sums in found:
        account = ref_from(row)
        pages.setdefault(row.currency, []).append((account, balance_from(account, sums)))
    return tuple(
        TrialBalance(
            currency=currency,
            debits_minor=sum(balance.debits_posted_minor for _, balance in balances),
            credits_minor=sum(balance.credits_posted_minor for _, balance in balances),
            balances=tuple(balances),
        )
        for currency, balances in pages.items()
    )


def parties_of(session: Session, account_ids: Iterable[str]) -> dict[str, str]:
    """Whose the accounts are, by id."""
    found = session.execute(select(AccountRow.id, AccountRow.party).where(AccountRow.id.in_(sorted(account_ids))))
    return {row.id: row.party for row in found}


def stored_sums() -> list[ColumnElement[int]]:
    """The four sums over an account's balance rows."""
    return [func.coalesce(func.sum(getattr(BalanceRow, f"{name}_minor")), 0).label(name) for name in SUMS]


def rebuilt_sums() -> list[ColumnElement[int]]:
    """The same four sums, from the entries."""
    return [
        func.coalesce(
            func.sum(
                case(
                    (
                        (EntryRow.side == name.split("_")[0].rstrip("s")) & (EntryRow.layer == name.split("_")[1]),
                        EntryRow.amount_minor,
                    ),
                    else_=0,
                )
            ),
            0,
        ).label(name)
        for name in SUMS
    ]


def ref_from(row: AccountRow) -> AccountRef:
    """An account as what it is."""
    return AccountRef(business=row.business, kind=AccountKind(row.kind), party=row.party, currency=row.currency)


def transfer_from(row: TransferRow) -> Transfer:
    """A row as others see it."""
    return Transfer(
        id=row.id,
        business=row.business,
        linked_id=row.linked_id,
        phase=Phase(row.phase),
        debit_account_id=row.debit_account_id,
        credit_account_id=row.credit_account_id,
        currency=row.currency,
        amount_minor=row.amount_minor,
        pending_id=row.pending_id,
        corrects_id=row.corrects_id,
        expires_at=row.expires_at,
        exchange=None
        if row.exchange_id is None or row.rate_numerator is None or row.rate_denominator is None
        else Exchange(other_id=row.exchange_id, numerator=row.rate_numerator, denominator=row.rate_denominator),
        subject=row.subject,
        reason=row.reason,
        actor=row.actor,
        correlation_id=row.correlation_id,
        created_at=row.created_at,
    )


def balance_from(account: AccountRef, sums: Iterable[int]) -> Balance:
    """The four sums as a balance."""
    return Balance(
        account_id=account.id,
        side=Side(account.side),
        currency=account.currency,
        **{f"{name}_minor": int(value) for name, value in zip(SUMS, sums, strict=True)},
    )
