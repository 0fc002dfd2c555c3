"""Writes of reconciliation: files taken in once, rows partitioned anew whenever something was added, mistakes resolved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import case, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.kernel.outbox import publish
from capabilities.settlement.contract import (
    Credited,
    ImportFile,
    Mistake,
    Reconciled,
    ReconFile,
    ReconRow,
    ResolveMistake,
    Side,
    Standing,
    StandingRow,
    Verdict,
)
from capabilities.settlement.extensions import alone_up_to_minor, patience_hours
from capabilities.settlement.models_reconciliation import ReconFileRow, ReconRowRow
from capabilities.settlement.queries_reconciliation import file_of, row_from, standing_row
from capabilities.settlement.reconciling import Reach, partition
from capabilities.settlement.statement_reading import content_sha256, read_statement

R = ReconRowRow
ACTS = (Side.PLATFORM.value, Side.PROVIDER.value)
PAYOUTS = (Side.PROVIDER_PAYOUT.value, Side.BANK.value)
NEEDS_SECOND = ("accept_difference", "ignore", "matched_by_hand")
AT_ONCE = 1_000


def import_file(session: Session, request: ImportFile, *, by: str) -> tuple[ReconFile, bool]:
    """Take in a statement; the same content a second time changes nothing. Returns the file, and whether it is new."""
    sha256 = content_sha256(request.content)
    file_id = derived_id("rcf", request.business, request.kind, request.provider, sha256)
    rows = read_statement(request.content, request.kind, file_id=file_id)
    added = session.scalars(
        insert(ReconFileRow)
        .values(
            id=file_id,
            business=request.business,
            kind=request.kind,
            provider=request.provider,
            name=request.name,
            content_sha256=sha256,
            rows=len(rows),
            covers_until=max(read.row.occurred_at for read in rows),
            imported_by=by,
            imported_at=now(),
        )
        .on_conflict_do_nothing()
        .returning(ReconFileRow.id)
    ).all()
    if added:
        values = [
            {**_values(request.business, request.provider, read.row), "file_id": file_id, "line": read.line}
            for read in rows
        ]
        for start in range(0, len(values), AT_ONCE):
            session.execute(insert(R).on_conflict_do_nothing(), values[start : start + AT_ONCE])
    return file_of(session, file_id), bool(added)


def reconcile(session: Session, business: str, provider: str, platform: Sequence[ReconRow]) -> Reconciled:
    """Partition all rows that are not at rest; returns what stands elsewhere now. One run at a time a provider.

    `platform` are our acts, as they are known now. What a person has resolved stays as it was resolved.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"reconcile\x1f{business}\x1f{provider}"},
    )
    _upsert(session, business, provider, platform)
    reach = _reach(session, business, provider)
    moved = _settle(session, business, provider, ACTS, reach)
    _add_up_payouts(session, business, provider)
    paid = _settle(session, business, provider, PAYOUTS, reach)
    count = len(moved) + len(paid)
    if count:
        data = {"provider": provider, "moved": count}
        publish(session, business=business, type="reconciliation.moved", subject=f"{business}/{provider}", data=data)
    return Reconciled(moved=count, credited=_credited(session, business, provider, paid))


def take(session: Session, business: str, row_id: str, *, by: str) -> StandingRow:
    """Take a mistake to work on; another person's is taken over."""
    return _touch(session, business, row_id, taken_by=by)


def note(session: Session, business: str, row_id: str, words: str) -> StandingRow:
    """Write down what was found out about a mistake."""
    return _touch(session, business, row_id, note=words)


def resolve(session: Session, business: str, request: ResolveMistake, *, by: str) -> StandingRow:
    """Close a mistake, with its counterpart. Letting much money go takes two people: the first proposes, the second confirms.

    Resolved the same way already: as it stands; another way: `ConflictError`. The second person being the first is refused.
    """
    row = _locked(session, business, request.row_id)
    if row.resolved_at is not None:
        if row.resolution == request.resolution:
            return standing_row(session, business, row.id)
        raise ConflictError("settlement.resolved_already", f"This was resolved already: {row.resolution}.")
    if row.standing != Standing.MISTAKE.value:
        raise ConflictError("settlement.no_mistake", f"This row is {row.standing}; there is nothing to resolve.")
    values: dict[str, object] = {"resolution": request.resolution, "resolved_reason": request.reason}
    alone_up_to = alone_up_to_minor.for_identity(BusinessIdentity(business))()
    is_much = abs(row.difference_minor or row.amount_minor) > alone_up_to
    needs_second = request.resolution in NEEDS_SECOND and is_much
    is_confirmed = row.proposed_by is not None and row.resolution == request.resolution
    if needs_second and is_confirmed and row.proposed_by == by:
        raise RefusedError(
            "settlement.own_proposal", "Who proposed this does not confirm it.", mend="Another person confirms it."
        )
    if needs_second and not is_confirmed:
        values |= {"proposed_by": by}
    else:
        values |= {"resolved_by": by, "resolved_at": now()}
    pair = [row.id] if row.mistake == Mistake.DUPLICATE.value else [row.id, row.partner_id]
    session.execute(
        update(R)
        .where(
            R.business == business,
            R.id.in_([id_ for id_ in pair if id_ is not None]),
            R.standing == Standing.MISTAKE.value,
            R.resolved_at.is_(None),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return standing_row(session, business, row.id)


def _values(business: str, provider: str, row: ReconRow) -> dict[str, object]:
    return {
        **row.model_dump(mode="python"),
        "side": row.side.value,
        "business": business,
        "provider": provider,
        "file_id": None,
        "line": None,
        "standing": Standing.PARKED.value,
        "difference_minor": 0,
    }


def _upsert(session: Session, business: str, provider: str, rows: Iterable[ReconRow]) -> None:
    """Enter rows that no file brings; one that says something else than before has to be compared again."""
    values = [_values(business, provider, row) for row in rows]
    said = ("amount_minor", "fee_minor", "currency", "status", "kind", "occurred_at")
    for start in range(0, len(values), AT_ONCE):
        entered = insert(R)
        new = entered.excluded
        changed = or_(*(getattr(R, name).is_distinct_from(getattr(new, name)) for name in said))
        session.execute(
            entered.on_conflict_do_update(
                index_elements=[R.id],
                set_={
                    **{name: getattr(new, name) for name in said},
                    "standing": Standing.PARKED.value,
                    "mistake": None,
                    "partner_id": None,
                    "difference_minor": 0,
                },
                where=R.resolved_at.is_(None) & changed,
            ),
            values[start : start + AT_ONCE],
        )


def _reach(session: Session, business: str, provider: str) -> Reach:
    found = session.execute(
        select(ReconFileRow.kind, func.max(ReconFileRow.covers_until))
        .where(ReconFileRow.business == business, ReconFileRow.provider == provider)
        .group_by(ReconFileRow.kind)
    )
    until: dict[str, datetime] = {kind: moment for kind, moment in found}  # noqa: C416 - rows are no tuples to a type checker
    hours = patience_hours.for_identity(BusinessIdentity(business))()
    return Reach(provider=until.get("provider"), bank=until.get("bank"), patience=timedelta(hours=hours))


def _settle(session: Session, business: str, provider: str, sides: tuple[str, ...], reach: Reach) -> list[ReconRowRow]:
    """Give every key that is not at rest its verdicts; returns the rows that moved."""
    of_provider = (R.business == business, R.provider == provider, R.side.in_(sides), R.resolved_at.is_(None))
    restless = select(R.key).where(*of_provider, R.standing != Standing.MATCHED.value).distinct()
    rows = session.scalars(
        select(R).where(*of_provider, R.key.in_(restless)).execution_options(populate_existing=True)
    ).all()
    stands = {row.id: row for row in rows}
    verdicts = partition([row_from(row) for row in rows], reach)
    moved = [stands[verdict.row_id] for verdict in verdicts if _stand(stands[verdict.row_id], verdict)]
    session.flush()
    return moved


def _credited(session: Session, business: str, provider: str, moved: Sequence[ReconRowRow]) -> tuple[Credited, ...]:
    """Of the rows that moved, the provider's payouts that are at the bank now; below 0 where it took money from us."""
    found = [
        row
        for row in moved
        if row.side == Side.PROVIDER_PAYOUT.value and row.standing == Standing.MATCHED.value and row.amount_minor != 0
    ]
    if not found:
        return ()
    kept = session.execute(
        select(R.payout_reference, R.currency, func.sum(func.coalesce(R.fee_minor, 0)))
        .where(
            R.business == business,
            R.provider == provider,
            R.side == Side.PROVIDER.value,
            R.payout_reference.in_([row.payout_reference for row in found]),
            R.status == "succeeded",
            R.mistake.is_distinct_from(Mistake.DUPLICATE.value),
        )
        .group_by(R.payout_reference, R.currency)
    )
    fees = {(reference, currency): int(total) for reference, currency, total in kept}
    return tuple(
        Credited(
            statement_id=row.id,
            currency=row.currency,
            fees_minor=max(0, fees[row.payout_reference, row.currency]),
            credited_minor=row.amount_minor,
        )
        for row in sorted(found, key=lambda row: row.id)
    )


def _stand(row: ReconRowRow, verdict: Verdict) -> bool:
    values = {
        "standing": verdict.standing.value,
        "mistake": None if verdict.mistake is None else verdict.mistake.value,
        "partner_id": verdict.partner_id,
        "difference_minor": verdict.difference_minor,
    }
    is_moved = any(getattr(row, name) != value for name, value in values.items())
    if is_moved:
        for name, value in values.items():
            setattr(row, name, value)
        row.proposed_by = None
    return is_moved


def _add_up_payouts(session: Session, business: str, provider: str) -> None:
    """What the provider says it pays out under each reference: the net of its rows, duplicates left out."""
    is_counted = (R.status == "succeeded") & R.mistake.is_distinct_from(Mistake.DUPLICATE.value)
    net_of_row = R.amount_minor - func.coalesce(R.fee_minor, 0)
    sums = session.execute(
        select(
            R.payout_reference,
            R.currency,
            func.sum(case((is_counted, net_of_row), else_=0)),
            func.max(R.occurred_at),
        )
        .where(
            R.business == business,
            R.provider == provider,
            R.side == Side.PROVIDER.value,
            R.payout_reference.is_not(None),
        )
        .group_by(R.payout_reference, R.currency)
    )
    rows = [
        ReconRow(
            id=derived_id("rcr", business, provider, "payout", str(reference), currency),
            side=Side.PROVIDER_PAYOUT,
            key=f"pay:{reference}",
            kind="payout",
            amount_minor=int(net),
            currency=currency,
            payout_reference=reference,
            occurred_at=at,
        )
        for reference, currency, net, at in sums
    ]
    _upsert(session, business, provider, rows)


def _locked(session: Session, business: str, row_id: str) -> ReconRowRow:
    row = session.scalars(
        select(R)
        .where(R.id == row_id, R.business == business)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise MissingError("settlement.row_unknown", f"There is no row {row_id!r}.")
    return row


def _touch(session: Session, business: str, row_id: str, **values: object) -> StandingRow:
    row = _locked(session, business, row_id)
    for name, value in values.items():
        setattr(row, name, value)
    session.flush()
    return standing_row(session, business, row_id)
