"""What can be asked of reconciliation: files, rows with where they stand, the work list, counts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, case, func, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import MissingError
from capabilities.settlement.contract import (
    Mistake,
    ReconCounts,
    ReconFile,
    ReconFilePage,
    ReconFilters,
    ReconRow,
    ReconRowPage,
    Side,
    Standing,
    StandingRow,
)
from capabilities.settlement.models_reconciliation import ReconFileRow, ReconRowRow

R = ReconRowRow


def file_of(session: Session, file_id: str) -> ReconFile:
    """A file with where its rows stand; `MissingError` where there is none of that id."""
    row = session.get(ReconFileRow, file_id)
    if row is None:
        raise MissingError("settlement.file_unknown", f"There is no file {file_id!r}.")
    return _files(session, [row])[0]


def files_page(
    session: Session, business: str, *, kind: str | None = None, after: str | None = None, limit: int = 50
) -> ReconFilePage:
    """Files, newest first."""
    found = select(ReconFileRow).where(ReconFileRow.business == business)
    if kind is not None:
        found = found.where(ReconFileRow.kind == kind)
    if after is not None:
        at, last = read_cursor(after, 2)
        found = found.where(tuple_(ReconFileRow.imported_at, ReconFileRow.id) < (read_moment(at), last))
    newest = found.order_by(ReconFileRow.imported_at.desc(), ReconFileRow.id.desc())
    rows = session.scalars(newest.limit(limit + 1)).all()
    following = write_cursor(rows[limit - 1].imported_at.isoformat(), rows[limit - 1].id) if rows[limit:] else None
    return ReconFilePage(files=_files(session, list(rows[:limit])), next_cursor=following)


def standing_row(session: Session, business: str, row_id: str) -> StandingRow:
    """A row with where it stands; `MissingError` where there is none of that id in the business."""
    found = select(R).where(R.id == row_id, R.business == business).execution_options(populate_existing=True)
    row = session.scalars(found).one_or_none()
    if row is None:
        raise MissingError("settlement.row_unknown", f"There is no row {row_id!r}.")
    return _standing(row)


def rows_together(session: Session, business: str, row_id: str) -> tuple[StandingRow, ...]:
    """All that sides say of the same act as a row, and of the provider's payout it came with: at most all four sides."""
    row = standing_row(session, business, row_id).row
    same = R.key == row.key
    if row.payout_reference is not None:
        acts = (Side.PLATFORM.value, Side.PROVIDER.value)
        of_payout = (R.payout_reference == row.payout_reference) & R.side.not_in(acts)
        same = same | of_payout
    provider = select(R.payout_reference).where(
        R.business == business, R.key == row.key, R.payout_reference.is_not(None), R.side == Side.PROVIDER.value
    )
    if row.side is Side.PLATFORM:
        same = same | (R.payout_reference.in_(provider) & R.side.not_in((Side.PLATFORM.value, Side.PROVIDER.value)))
    found = session.scalars(select(R).where(R.business == business, same).order_by(R.occurred_at, R.id).limit(20))
    return tuple(_standing(one) for one in found)


def rows_page(session: Session, filters: ReconFilters, *, after: str | None = None, limit: int = 50) -> ReconRowPage:
    """Rows, the oldest first: what has waited longest is next."""
    found = _filtered(filters)
    if after is not None:
        at, last = read_cursor(after, 2)
        found = found.where(tuple_(R.occurred_at, R.id) > (read_moment(at), last))
    rows = session.scalars(found.order_by(R.occurred_at, R.id).limit(limit + 1)).all()
    following = write_cursor(rows[limit - 1].occurred_at.isoformat(), rows[limit - 1].id) if rows[limit:] else None
    return ReconRowPage(rows=tuple(_standing(row) for row in rows[:limit]), next_cursor=following)


def recon_counts(
    session: Session, business: str, *, provider: str | None = None, file_id: str | None = None
) -> ReconCounts:
    """How many rows stand where; of mistakes, kinds and what nobody has resolved. A pair of rows counts as its two."""
    of = [R.business == business] + ([] if provider is None else [R.provider == provider])
    of += [] if file_id is None else [R.file_id == file_id]
    standings = session.execute(select(R.standing, R.mistake, func.count()).where(*of).group_by(R.standing, R.mistake))
    counts = {"matched": 0, "parked": 0}
    mistakes: dict[str, int] = {}
    for standing, mistake, count in standings:
        if mistake is None:
            counts[standing] = count
        else:
            mistakes[mistake] = count
    money = case((R.difference_minor != 0, func.abs(R.difference_minor)), else_=func.abs(R.amount_minor))
    open_ = session.execute(
        select(R.currency, func.count(), func.sum(money))
        .where(*of, R.standing == Standing.MISTAKE.value, R.resolved_at.is_(None), _speaks())
        .group_by(R.currency)
        .order_by(R.currency)
    ).all()
    return ReconCounts(
        matched=counts["matched"],
        parked=counts["parked"],
        mistakes=mistakes,
        open=sum(count for _, count, _ in open_),
        open_minor={currency: int(total) for currency, _, total in open_},
    )


def open_keys(session: Session, business: str, provider: str) -> tuple[str, ...]:
    """References of acts that the provider or we know and that are not at rest: to be looked at again."""
    found = session.scalars(
        select(R.key)
        .where(
            R.business == business,
            R.provider == provider,
            R.side.in_((Side.PLATFORM.value, Side.PROVIDER.value)),
            R.standing != Standing.MATCHED.value,
            R.resolved_at.is_(None),
        )
        .distinct()
    )
    return tuple(sorted({key.split(":", 2)[2] for key in found}))


def newest_platform_row(session: Session, business: str, provider: str) -> datetime | None:
    """When the latest of our own acts that were compared happened."""
    return session.scalar(
        select(func.max(R.occurred_at)).where(
            R.business == business, R.provider == provider, R.side == Side.PLATFORM.value
        )
    )


def row_from(row: ReconRowRow) -> ReconRow:
    """A row as it is compared."""
    return ReconRow.model_validate({name: getattr(row, name) for name in ReconRow.model_fields})


def _speaks() -> ColumnElement[bool]:
    """One of a pair speaks for both: a mistake is counted and listed once."""
    sides = (Side.PLATFORM.value, Side.PROVIDER_PAYOUT.value)
    return R.partner_id.is_(None) | R.side.in_(sides) | (R.mistake == Mistake.DUPLICATE.value)


def _filtered(filters: ReconFilters) -> Select[ReconRowRow]:
    found = select(R).where(R.business == filters.business)
    for column, value in (
        (R.provider, filters.provider),
        (R.file_id, filters.file_id),
        (R.taken_by, filters.taken_by),
    ):
        if value is not None:
            found = found.where(column == value)
    if filters.sides:
        found = found.where(R.side.in_([side.value for side in filters.sides]))
    if filters.standings:
        found = found.where(R.standing.in_([standing.value for standing in filters.standings]))
    if filters.mistakes:
        found = found.where(R.mistake.in_([mistake.value for mistake in filters.mistakes]))
    if filters.is_open is not None:
        is_open = (R.standing == Standing.MISTAKE.value) & R.resolved_at.is_(None)
        found = found.where(is_open & _speaks() if filters.is_open else ~is_open)
    return found


def _standing(row: ReconRowRow) -> StandingRow:
    names = set(StandingRow.model_fields) - {"row"}
    return StandingRow(row=row_from(row), **{name: getattr(row, name) for name in names})


def _files(session: Session, rows: list[ReconFileRow]) -> tuple[ReconFile, ...]:
    found = session.execute(
        select(R.file_id, R.standing, func.count())
        .where(R.file_id.in_([row.id for row in rows]))
        .group_by(R.file_id, R.standing)
    )
    counts: dict[tuple[str | None, str], int] = {(file_id, standing): count for file_id, standing, count in found}
    names = set(ReconFile.model_fields) - {"matched", "parked", "mistakes"}
    return tuple(
        ReconFile(
            matched=counts.get((row.id, Standing.MATCHED.value), 0),
            parked=counts.get((row.id, Standing.PARKED.value), 0),
            mistakes=counts.get((row.id, Standing.MISTAKE.value), 0),
            **{name: getattr(row, name) for name in names},
        )
        for row in rows
    )
