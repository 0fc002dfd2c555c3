"""Reads of price lists: which price holds, lists and their prices for pages, and the history of prices."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock

from sqlalchemy import bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.cursor import read_cursor, write_cursor
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.marketing.price_contract import (
    ListedPrice,
    PriceChange,
    PriceEntry,
    PriceEntryPage,
    PriceList,
    PriceListTerms,
    PriceQuestion,
)
from capabilities.marketing.price_models import PriceChangeRow, PriceEntryRow, PriceListRow
from capabilities.marketing.price_resolution import Span, fits, is_meant, rank_of, resolve

MAX_PAGE = 500
LISTS_KEPT = 64
ENTRIES = select(
    PriceEntryRow.list_id,
    PriceEntryRow.sku,
    PriceEntryRow.from_quantity,
    PriceEntryRow.unit_price_minor,
    PriceEntryRow.floor_price_minor,
    PriceEntryRow.was_price_minor,
).where(
    PriceEntryRow.list_id.in_(bindparam("lists", expanding=True)),
    PriceEntryRow.sku.in_(bindparam("skus", expanding=True)),
)
HISTORY = select(
    PriceChangeRow,
    func.lead(PriceChangeRow.recorded_at).over(
        partition_by=(PriceChangeRow.list_id, PriceChangeRow.sku), order_by=PriceChangeRow.sequence
    ),
).where(
    PriceChangeRow.list_id.in_(bindparam("lists", expanding=True)),
    PriceChangeRow.sku.in_(bindparam("skus", expanding=True)),
    PriceChangeRow.from_quantity == 1,
)

_kept: OrderedDict[tuple[str, str], dict[str, PriceListTerms]] = OrderedDict()
_kept_lock = Lock()


# --- what a cart asks -------------------------------------------------------------------------------------------


def prices_for(session: Session, business: str, version: str | None, question: PriceQuestion) -> dict[str, ListedPrice]:
    """The prices that lists give for these skus. No statement where no list fits, else one for all skus.

    `version` is `Business.price_lists` as read in this transaction; lists are kept by it, so what is kept is never old.
    """
    fitting = {
        list_id: terms
        for list_id, terms in _lists_of_version(session, business, version).items()
        if fits(terms, question)
    }
    if not fitting or not question.quantities:
        return {}
    asked = {"lists": sorted(fitting), "skus": sorted(question.quantities)}
    entries = (
        (
            row.list_id,
            PriceEntry.model_construct(
                sku=row.sku,
                from_quantity=row.from_quantity,
                unit_price_minor=row.unit_price_minor,
                floor_price_minor=row.floor_price_minor,
                was_price_minor=row.was_price_minor,
            ),
        )
        for row in session.execute(ENTRIES, asked)
    )
    return resolve(fitting, entries, question)


def _lists_of_version(session: Session, business: str, version: str | None) -> dict[str, PriceListTerms]:
    if version is None:
        return {}
    with _kept_lock:
        known = _kept.get((business, version))
        if known is not None:
            _kept.move_to_end((business, version))
            return known
    found = {row.id: terms_from(row) for row in _rows(session, business)}
    with _kept_lock:
        _kept[business, version] = found
        while len(_kept) > LISTS_KEPT:
            _kept.popitem(last=False)
    return found


def _rows(session: Session, business: str) -> Sequence[PriceListRow]:
    listed = select(PriceListRow).where(PriceListRow.business == business).order_by(PriceListRow.code)
    return session.scalars(listed.execution_options(populate_existing=True)).all()


def volume_prices(
    session: Session, business: str, version: str | None, question: PriceQuestion
) -> dict[str, tuple[ListedPrice, ...]]:
    """For each sku the prices of larger quantities, as they would be resolved, smallest quantity first."""
    fitting = {
        list_id: terms
        for list_id, terms in _lists_of_version(session, business, version).items()
        if fits(terms, question)
    }
    if not fitting or not question.quantities:
        return {}
    entries = [
        (row.list_id, PriceEntry(**{name: getattr(row, name) for name in PriceEntry.model_fields}))
        for row in session.execute(ENTRIES, {"lists": sorted(fitting), "skus": sorted(question.quantities)})
    ]
    steps: dict[str, dict[int, ListedPrice]] = {}
    for quantity in sorted({entry.from_quantity for _, entry in entries}):
        at_quantity = question.model_copy(update={"quantities": dict.fromkeys(question.quantities, quantity)})
        for sku, price in resolve(fitting, entries, at_quantity).items():
            known = steps.setdefault(sku, {})
            last = max(known, default=None)
            if last is None or known[last].unit_price_minor != price.unit_price_minor:
                known[quantity] = price.model_copy(update={"from_quantity": quantity})
    return {sku: tuple(found[quantity] for quantity in sorted(found)) for sku, found in steps.items()}


# --- history ----------------------------------------------------------------------------------------------------


def price_spans(session: Session, business: str, version: str | None, question: PriceQuestion) -> dict[str, list[Span]]:
    """What lists meant for who asks gave for one piece, in time, whether they are in force now or not."""
    meant = {
        list_id: terms
        for list_id, terms in _lists_of_version(session, business, version).items()
        if is_meant(terms, question)
    }
    spans: dict[str, list[Span]] = {sku: [] for sku in question.quantities}
    if not meant or not spans:
        return spans
    for row, superseded_at in session.execute(HISTORY, {"lists": sorted(meant), "skus": sorted(spans)}):
        ends = min((at for at in (row.ends_at, superseded_at) if at is not None), default=None)
        if row.unit_price_minor is not None and (ends is None or row.starts_at < ends):
            rank = rank_of(meant[row.list_id], row.unit_price_minor)
            spans[row.sku].append(Span(row.starts_at, ends, row.unit_price_minor, rank))
    return spans


def price_history(session: Session, business: str, sku: str, *, limit: int = MAX_PAGE) -> tuple[PriceChange, ...]:
    """Every change of the prices lists give for a sku, newest first."""
    codes = {row.id: row.code for row in _rows(session, business)}
    rows = session.scalars(
        select(PriceChangeRow)
        .where(PriceChangeRow.business == business, PriceChangeRow.sku == sku)
        .order_by(PriceChangeRow.sequence.desc())
        .limit(limit)
    )
    return tuple(
        PriceChange(
            list_code=codes.get(row.list_id, ""),
            **{name: getattr(row, name) for name in PriceChange.model_fields if name != "list_code"},
        )
        for row in rows
    )


# --- pages ------------------------------------------------------------------------------------------------------


def price_lists_of(session: Session, business: str) -> tuple[PriceList, ...]:
    """The lists of a business by code."""
    counts = session.execute(
        select(PriceEntryRow.list_id, func.count().label("prices"))
        .where(PriceEntryRow.business == business)
        .group_by(PriceEntryRow.list_id)
    )
    counted = {row.list_id: int(row.prices) for row in counts}
    return tuple(_list_from(row, counted.get(row.id, 0)) for row in _rows(session, business))


def price_list_of(session: Session, business: str, code: str) -> PriceList:
    """The list; `MissingError` where the business has none of that code."""
    found = next((listed for listed in price_lists_of(session, business) if listed.terms.code == code), None)
    if found is None:
        raise MissingError("marketing.price_list_unknown", f"There is no price list {code!r}.", price_list=code)
    return found


def entries_page(
    session: Session, list_id: str, *, sku: str | None = None, after: str | None = None, limit: int = 100
) -> PriceEntryPage:
    """The prices of a list by sku and quantity; `sku` narrows to skus that contain it."""
    found = select(PriceEntryRow).where(PriceEntryRow.list_id == list_id)
    if sku:
        found = found.where(PriceEntryRow.sku.icontains(sku, autoescape=True))
    if after is not None:
        last_sku, last_quantity = read_cursor(after, 2)
        if not last_quantity.isdecimal():
            raise InvalidError("cursor.unreadable", "This cursor is none of ours.", mend="Begin with the first page.")
        found = found.where(
            tuple_(PriceEntryRow.sku, PriceEntryRow.from_quantity) > tuple_(last_sku, int(last_quantity))
        )
    size = max(1, min(limit, MAX_PAGE))
    ordered = found.order_by(PriceEntryRow.sku, PriceEntryRow.from_quantity).limit(size + 1)
    rows = session.scalars(ordered.execution_options(populate_existing=True)).all()
    last = rows[size - 1] if len(rows) > size else None
    return PriceEntryPage(
        entries=tuple(map(entry_from, rows[:size])),
        next_cursor=None if last is None else write_cursor(last.sku, str(last.from_quantity)),
    )


def all_entries(session: Session, list_id: str) -> Iterable[PriceEntry]:
    """Every price of a list by sku and quantity, read in parts."""
    cursor: str | None = None
    while True:
        page = entries_page(session, list_id, after=cursor, limit=MAX_PAGE)
        yield from page.entries
        cursor = page.next_cursor
        if cursor is None:
            return


def terms_from(row: PriceListRow) -> PriceListTerms:
    """The terms a row says."""
    return PriceListTerms.model_construct(**{name: getattr(row, name) for name in PriceListTerms.model_fields})


def entry_from(row: PriceEntryRow) -> PriceEntry:
    """The price a row says."""
    return PriceEntry(**{name: getattr(row, name) for name in PriceEntry.model_fields})


def _list_from(row: PriceListRow, prices: int) -> PriceList:
    return PriceList(
        id=row.id,
        business=row.business,
        terms=terms_from(row),
        prices=prices,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )
