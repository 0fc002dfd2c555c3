"""Prices of a list changed: in a table of inputs that needs no script, or by a file that is looked at first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from activities.prices import read_price_file
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import ConflictError, InvalidError, PlatformError
from capabilities.kernel.ids import new_id
from capabilities.kernel.money import Money
from capabilities.marketing.price_contract import PriceEntry, PriceList, RowProblem
from capabilities.marketing.price_queries import all_entries, entries_page, price_list_of
from web.access.permissions import Action
from web.console.acts import perform
from web.console.campaigns import link
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import page
from web.console.rule_input import read_money, read_number
from web.console.texts import N_
from web.console.typed import Typed, file_text
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

ROWS, BLANK = 40, 5
COLUMNS = ("sku", "from", "price", "floor", "was")
MOST_SHOWN = 200

Key = tuple[str, int]
Entries = dict[Key, PriceEntry]


@dataclass(frozen=True)
class GridPage:
    """Each row as it was typed: sku, from, price, floor, was, and whether it goes. `version` is what was looked at."""

    listed: PriceList
    typed: Typed
    key: str
    rows: tuple[tuple[int, dict[str, str], bool], ...]
    version: str
    find: str
    next_href: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One price as it is and as it would be."""

    sku: str
    from_quantity: int
    now: PriceEntry | None
    then: PriceEntry | None


@dataclass(frozen=True, slots=True)
class FilePreview:
    differences: tuple[Difference, ...]
    unchanged: int
    problems: tuple[RowProblem, ...]


@dataclass(frozen=True)
class PriceImportPage:
    listed: PriceList
    typed: Typed
    key: str
    preview: FilePreview | None


@router.get("/console/{business}/marketing/prices/{code}/edit", name="edit_prices")
def edit_prices(
    visit: Annotated[Visit, Depends(Needs(Action.CHANGE_PRICES))], code: str, q: str = "", cursor: str | None = None
) -> Response:
    """The prices of one page as inputs, with blank rows for new ones."""
    find = q.strip()[:64]
    with transaction() as session:
        listed = price_list_of(session, visit.business.business, code)
        found = entries_page(session, listed.id, sku=find or None, after=cursor or None, limit=ROWS)
    written = [_written(entry, listed.terms.currency) for entry in found.entries]
    rows = [*written, *(dict.fromkeys(COLUMNS, "") for _ in range(BLANK))]
    base = f"{visit.path}/marketing/prices/{code}/edit"
    kept = {"q": find} if find else {}
    context = GridPage(
        listed,
        Typed(visit, ("reason",)),
        new_id("act"),
        tuple((number, row, False) for number, row in enumerate(rows)),
        listed.changed_at.isoformat(),
        find,
        link(base, kept | {"cursor": found.next_cursor}) if found.next_cursor else None,
    )
    return page(visit, "marketing/price_edit.html", context, block="main")


@router.post("/console/{business}/marketing/prices/{code}/edit", name="set_prices")
async def set_prices(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_PRICES))], code: str) -> Response:
    """Only what differs is changed, all of it or nothing."""
    typed = Typed(visit, ("reason", "version"))
    listed, entries = await run_in_threadpool(_entries, visit, code)
    prices, remove = _read_rows(typed, listed, entries)
    reason = typed.text("reason", most=500)
    if not reason:
        typed.wrong("reason", N_("Say why: it stands in the history of prices."))
    if typed.is_good and not prices and not remove:
        typed.wrong("form", N_("Nothing differs from what the list says."))
    status = 422
    if typed.is_good:
        body = {"code": code, "prices": prices, "remove": remove, "reason": reason}
        back = f"{visit.path}/marketing/prices/{code}"
        try:
            if typed.get("version") != listed.changed_at.isoformat():
                raise ConflictError(
                    "marketing.prices_moved",
                    N_("Somebody changed this list meanwhile. What you typed stands below; compare it with the list."),
                )
            audited = {"reason": reason}
            return await perform(visit, process="set_prices", body=body, subject=code, back=back, audited=audited)
        except PlatformError as error:
            typed.refused(error)
            status = STATUS[error.kind]
    count = _count(typed)
    rows = tuple(
        (number, {name: typed.get(f"{name}{number}") for name in COLUMNS}, bool(typed.get(f"gone{number}")))
        for number in range(count)
    )
    context = GridPage(listed, typed, new_id("act"), rows, listed.changed_at.isoformat(), "", None)
    return page(visit, "marketing/price_edit.html", context, block="main", status=status)


def _count(typed: Typed) -> int:
    count = typed.get("rows")
    return min(int(count), 200) if count.isascii() and count.isdecimal() else 0


def _read_rows(typed: Typed, listed: PriceList, entries: Entries) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    prices: Entries = {}
    remove: list[dict[str, Any]] = []
    for number in range(_count(typed)):
        cells = {name: typed.get(f"{name}{number}") for name in COLUMNS}
        if not cells["sku"] or not (cells["price"] or typed.get(f"gone{number}")):
            if cells["sku"] or cells["price"]:
                typed.wrong(f"price{number}", N_("A price needs its SKU and an amount."))
            continue
        entry = _read_row(typed, number, cells, listed.terms.currency)
        if entry is None:
            continue
        key = (entry.sku, entry.from_quantity)
        if typed.get(f"gone{number}"):
            if key in entries:
                remove.append({"sku": entry.sku, "from_quantity": entry.from_quantity})
        elif key in prices:
            typed.wrong(f"sku{number}", N_("The same SKU and quantity stand in two rows."))
        else:
            prices[key] = entry
    changed = [entry.model_dump() for key, entry in prices.items() if entries.get(key) != entry]
    return changed, remove


def _read_row(typed: Typed, number: int, cells: dict[str, str], currency: str) -> PriceEntry | None:
    try:
        quantity = read_number(cells["from"] or "1", field=f"from{number}")
        amounts = {
            name: read_money(cells[name], currency, field=f"{name}{number}") if cells[name] else None
            for name in ("price", "floor", "was")
        }
    except InvalidError as error:
        typed.wrong(str(error.details["field"]), error.message)
        return None
    if quantity < 1:
        typed.wrong(f"from{number}", N_("From one piece on, or more."))
        return None
    price, floor = amounts["price"] or 0, amounts["floor"]
    if floor is not None and floor > price:
        typed.wrong(f"floor{number}", N_("The floor price lies above the price."))
        return None
    return PriceEntry(
        sku=cells["sku"][:64],
        from_quantity=quantity,
        unit_price_minor=price,
        floor_price_minor=floor,
        was_price_minor=amounts["was"],
    )


def _written(entry: PriceEntry, currency: str) -> dict[str, str]:
    def said(minor: int | None) -> str:
        return "" if minor is None else Money(minor, currency).decimal()

    return {
        "sku": entry.sku,
        "from": str(entry.from_quantity),
        "price": said(entry.unit_price_minor),
        "floor": said(entry.floor_price_minor),
        "was": said(entry.was_price_minor),
    }


def _entries(visit: Visit, code: str) -> tuple[PriceList, Entries]:
    with transaction() as session:
        listed = price_list_of(session, visit.business.business, code)
        return listed, {(e.sku, e.from_quantity): e for e in all_entries(session, listed.id)}


# --- files ------------------------------------------------------------------------------------------------------


@router.get("/console/{business}/marketing/prices/{code}/import", name="import_prices_form")
def import_form(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_PRICES))], code: str) -> Response:
    with transaction() as session:
        listed = price_list_of(session, visit.business.business, code)
    return _show_import(visit, listed, Typed(visit, ("text", "reason")), None)


@router.post("/console/{business}/marketing/prices/{code}/import", name="import_prices")
async def import_prices(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_PRICES))], code: str) -> Response:
    """Look at every price the file would change; then, with `apply` and a reason, change them."""
    typed = Typed(visit, ("text", "reason"))
    typed.values["text"] = await file_text(visit, "file") or typed.get("text")
    listed, entries = await run_in_threadpool(_entries, visit, code)
    replace_all = bool(typed.get("replace_all"))
    if not typed.get("text"):
        typed.wrong("text", N_("Choose a file, or paste its lines."))
        return _show_import(visit, listed, typed, None, 422)
    status = 200
    if typed.get("apply"):
        reason = typed.text("reason", most=500)
        if not reason:
            typed.wrong("reason", N_("Say why: it stands in the history of prices."))
        else:
            body = {"code": code, "text": typed.get("text"), "replace_all": replace_all, "reason": reason}
            back = f"{visit.path}/marketing/prices/{code}"
            try:
                return await perform(
                    visit, process="import_prices", body=body, subject=code, back=back, audited={"reason": reason}
                )
            except PlatformError as error:
                typed.refused(error)
        status = 422
    preview = await run_in_threadpool(_preview, visit, code, typed.get("text"), entries, replace_all=replace_all)
    return _show_import(visit, listed, typed, preview, 422 if preview.problems else status)


def _preview(visit: Visit, code: str, text: str, entries: Entries, *, replace_all: bool) -> FilePreview:
    with transaction() as session:
        prices, problems = read_price_file(session, visit.business.business, code, text)
    named = {(entry.sku, entry.from_quantity): entry for entry in prices}
    differences = list(_differences(named, entries))
    if replace_all:
        differences += [Difference(*key, entry, None) for key, entry in entries.items() if key not in named]
    unchanged = sum(1 for key, entry in named.items() if entries.get(key) == entry)
    return FilePreview(tuple(differences), unchanged, problems)


def _differences(named: Entries, entries: Entries) -> Iterable[Difference]:
    for key, entry in named.items():
        if entries.get(key) != entry:
            yield Difference(*key, entries.get(key), entry)


def _show_import(
    visit: Visit, listed: PriceList, typed: Typed, preview: FilePreview | None, status: int = 200
) -> Response:
    context = PriceImportPage(listed, typed, new_id("act"), preview)
    return page(visit, "marketing/price_import.html", context, block="main", status=status)
