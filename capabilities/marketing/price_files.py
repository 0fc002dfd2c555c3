"""Price lists as CSV files: read with every bad line named, written so that reading gives the same. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

from pydantic import ValidationError

from capabilities.kernel.errors import PlatformError
from capabilities.kernel.money import Money
from capabilities.marketing.price_contract import MAX_ENTRIES, PriceEntry, RowProblem

COLUMNS = ("sku", "from_quantity", "price", "floor", "was")
NEEDED = ("sku", "price")
MOST_TOLD = 200
NumberedPrice = tuple[int, PriceEntry]
_FIELDS = {"unit_price_minor": "price", "floor_price_minor": "floor", "was_price_minor": "was"}


def read_prices(text: str, currency: str) -> tuple[tuple[NumberedPrice, ...], tuple[RowProblem, ...]]:
    """The prices of a file with their lines, and what is wrong with it; amounts are written in the currency, such as 12.50.

    A file with a problem is not to be taken in part: what it says of the other lines may depend on the bad one.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restkey="", strict=True)
    try:
        head = [name.strip().lower() for name in rows.fieldnames or ()]
        missing = [name for name in NEEDED if name not in head]
        if missing:
            return (), (RowProblem(line=1, field=missing[0], message=f"There is no column {missing[0]!r}."),)
        rows.fieldnames = head
        return _read(rows, currency)
    except csv.Error as error:
        return (), (RowProblem(line=rows.line_num, field="", message=f"The file cannot be read: {error}."),)


def _read(rows: csv.DictReader[str], currency: str) -> tuple[tuple[NumberedPrice, ...], tuple[RowProblem, ...]]:
    entries: dict[tuple[str, int], PriceEntry] = {}
    lines: dict[tuple[str, int], int] = {}
    problems: list[RowProblem] = []
    for row in rows:
        if not any((value or "").strip() for value in row.values() if isinstance(value, str)):
            continue
        if len(problems) >= MOST_TOLD or len(entries) > MAX_ENTRIES:
            told = (
                f"A file holds at most {MAX_ENTRIES:,} prices."
                if len(entries) > MAX_ENTRIES
                else "Further lines were not read."
            )
            problems.append(RowProblem(line=rows.line_num, field="", message=told))
            break
        try:
            entry = _entry(row, currency)
        except _BadRowError as bad:
            problems.append(RowProblem(line=rows.line_num, field=bad.field, message=bad.message))
            continue
        key = (entry.sku, entry.from_quantity)
        if key in entries:
            message = f"The same sku and quantity stand in line {lines[key]}."
            problems.append(RowProblem(line=rows.line_num, field="sku", message=message))
        else:
            entries[key], lines[key] = entry, rows.line_num
    return tuple((lines[key], entry) for key, entry in entries.items()), tuple(problems)


class _BadRowError(Exception):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def _entry(row: Mapping[str, str | None], currency: str) -> PriceEntry:
    quantity = (row.get("from_quantity") or "").strip() or "1"
    if not (quantity.isascii() and quantity.isdecimal()):
        raise _BadRowError("from_quantity", f"{quantity!r} is no whole number of pieces.")
    price = _minor(row, "price", currency)
    if price is None:
        raise _BadRowError("price", "There is no price.")
    try:
        return PriceEntry(
            sku=(row.get("sku") or "").strip(),
            from_quantity=int(quantity),
            unit_price_minor=price,
            floor_price_minor=_minor(row, "floor", currency),
            was_price_minor=_minor(row, "was", currency),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "floor"
        message = str(first["msg"]).removeprefix("Value error, ")
        raise _BadRowError(_FIELDS.get(field, field), f"{message[:1].upper()}{message[1:]}.") from None


def _minor(row: Mapping[str, str | None], column: str, currency: str) -> int | None:
    written = (row.get(column) or "").strip()
    if not written:
        return None
    try:
        amount = Decimal(written)
        return Money.of(written, currency).minor if amount.is_finite() else _refuse(column, written)
    except (InvalidOperation, PlatformError, ValueError):
        return _refuse(column, written)


def _refuse(column: str, written: str) -> int:
    raise _BadRowError(column, f"{written!r} is no amount such as 12.50.")


def write_prices(entries: Iterable[PriceEntry], currency: str) -> str:
    """The prices as a file that `read_prices` reads back to the same."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for entry in entries:
        amounts = (entry.unit_price_minor, entry.floor_price_minor, entry.was_price_minor)
        rows.writerow([entry.sku, entry.from_quantity, *(_written(amount, currency) for amount in amounts)])
    return out.getvalue()


def _written(minor: int | None, currency: str) -> str:
    return "" if minor is None else Money(minor, currency).decimal()
