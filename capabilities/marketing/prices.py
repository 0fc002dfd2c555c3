"""Writes of price lists. Whatever changes a price that holds, now or later, is written into its history. Nothing commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.business import Business
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError
from capabilities.kernel.ids import derived_id, new_id
from capabilities.kernel.outbox import publish
from capabilities.marketing.price_contract import ChangedPrices, PriceEntry, PriceList, SavePriceList, SetPrices
from capabilities.marketing.price_models import PriceChangeRow, PriceEntryRow, PriceListRow
from capabilities.marketing.price_queries import entry_from, price_list_of, terms_from

AT_ONCE = 1_000
"""Rows a statement."""
EntryId = tuple[str, int]
Row = TypeVar("Row")


def save_price_list(session: Session, request: SavePriceList) -> PriceList:
    """Enter a list, or change its terms. Where that changes when its prices hold, each price gets a line of history."""
    terms, at = request.terms, now()
    row = _locked(session, request.business, terms.code)
    if row is None:
        list_id = derived_id("prl", request.business, terms.code)
        said = terms.model_dump() | {"changed_at": at, "changed_by": request.actor}
        session.execute(
            insert(PriceListRow).values(id=list_id, business=request.business, **said).on_conflict_do_nothing()
        )
        row = _locked(session, request.business, terms.code)
        assert row is not None  # noqa: S101 - entered above, by us or by another at the same time
    before = terms_from(row)
    if before.currency != terms.currency:
        raise ConflictError(
            "marketing.price_list_currency_fixed",
            f"The prices of {terms.code} are in {before.currency}.",
            mend="Enter another list for the other currency.",
        )
    for name, value in terms.model_dump().items():
        setattr(row, name, value)
    if before != terms:
        row.changed_at, row.changed_by = at, request.actor
    session.flush()
    timing = {"valid_from", "valid_until", "is_active"}
    if before.model_dump(include=timing) != terms.model_dump(include=timing):
        entries = session.scalars(select(PriceEntryRow).where(PriceEntryRow.list_id == row.id)).all()
        _write_history(session, row, [entry_from(entry) for entry in entries], (), request, at)
    announce(session, request.business, terms.code)
    return price_list_of(session, request.business, terms.code)


def set_prices(session: Session, request: SetPrices) -> ChangedPrices:
    """Enter, replace and remove prices of a list; what stands so already is left alone, and gets no line of history."""
    at = now()
    row = _locked(session, request.business, request.code)
    if row is None:
        raise MissingError(
            "marketing.price_list_unknown", f"There is no price list {request.code!r}.", price_list=request.code
        )
    wanted = _by_id(request.prices)
    known = {
        (entry.sku, int(entry.from_quantity)): entry_from(entry)
        for entry in session.scalars(_named(row.id, None if request.replace_all else [*wanted, *_removed(request)]))
    }
    going = (known.keys() - wanted.keys()) if request.replace_all else (known.keys() & set(_removed(request)))
    changed = {key: entry for key, entry in wanted.items() if known.get(key) != entry}
    for some in _parts(sorted(changed)):
        _enter(session, row, [changed[key] for key in some])
    for gone in _parts(sorted(going)):
        session.execute(
            delete(PriceEntryRow).where(
                PriceEntryRow.list_id == row.id, tuple_(PriceEntryRow.sku, PriceEntryRow.from_quantity).in_(gone)
            )
        )
    priced = [
        entry
        for key, entry in changed.items()
        if key not in known or known[key].unit_price_minor != entry.unit_price_minor
    ]
    _write_history(session, row, priced, sorted(going), request, at)
    if changed or going:
        row.changed_at, row.changed_by = at, request.actor
        session.flush()
        announce(session, request.business, request.code)
    session.expire_all()
    return ChangedPrices(
        code=request.code, changed=len(changed), removed=len(going), unchanged=len(wanted) - len(changed)
    )


def announce(session: Session, business: str, code: str) -> None:
    """From this commit on every cart of the business reads the lists anew."""
    session.execute(
        update(Business)
        .where(Business.business == business)
        .values(price_lists=new_id("pls"))
        .execution_options(synchronize_session=False)
    )
    publish(session, business=business, type="price_list.changed", subject=code, data={"price_list": code})


def _parts(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]


def _locked(session: Session, business: str, code: str) -> PriceListRow | None:
    named = select(PriceListRow).where(PriceListRow.business == business, PriceListRow.code == code)
    return session.scalars(named.with_for_update().execution_options(populate_existing=True)).one_or_none()


def _named(list_id: str, keys: Iterable[EntryId] | None) -> Any:
    found = select(PriceEntryRow).where(PriceEntryRow.list_id == list_id).execution_options(populate_existing=True)
    return found if keys is None else found.where(PriceEntryRow.sku.in_(sorted({sku for sku, _ in keys})))


def _removed(request: SetPrices) -> list[EntryId]:
    return [(key.sku, key.from_quantity) for key in request.remove]


def _by_id(prices: Sequence[PriceEntry]) -> dict[EntryId, PriceEntry]:
    found = {(entry.sku, entry.from_quantity): entry for entry in prices}
    if len(found) < len(prices):
        raise InvalidError(
            "marketing.price_named_twice",
            "A sku and quantity is named twice.",
            mend="Name each price once.",
            field="prices",
        )
    return found


def _enter(session: Session, row: PriceListRow, entries: Sequence[PriceEntry]) -> None:
    fresh = insert(PriceEntryRow).values(
        [{"business": row.business, "list_id": row.id, **entry.model_dump()} for entry in entries]
    )
    priced = ("unit_price_minor", "floor_price_minor", "was_price_minor")
    session.execute(
        fresh.on_conflict_do_update(
            index_elements=[PriceEntryRow.list_id, PriceEntryRow.sku, PriceEntryRow.from_quantity],
            set_={name: fresh.excluded[name] for name in priced},
        )
    )


def _write_history(
    session: Session,
    row: PriceListRow,
    priced: Sequence[PriceEntry],
    gone: Sequence[EntryId],
    request: SavePriceList | SetPrices,
    at: datetime,
) -> None:
    shared = {
        "business": row.business,
        "list_id": row.id,
        "currency": row.currency,
        "starts_at": at if row.valid_from is None else max(at, row.valid_from),
        "ends_at": row.valid_until,
        "reason": request.reason,
        "actor": request.actor,
        "recorded_at": at,
    }
    lines = [
        {
            "sku": entry.sku,
            "from_quantity": entry.from_quantity,
            "unit_price_minor": entry.unit_price_minor if row.is_active else None,
            **shared,
        }
        for entry in sorted(priced, key=lambda entry: (entry.sku, entry.from_quantity))
    ]
    lines += [{"sku": sku, "from_quantity": count, "unit_price_minor": None, **shared} for sku, count in gone]
    for some in _parts(lines):
        session.execute(insert(PriceChangeRow).values(some))
