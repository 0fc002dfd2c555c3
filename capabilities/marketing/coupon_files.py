"""Coupons as CSV: rows written for a file, a file read and taken row by row. Bad rows are told by line, good ones taken.

The same columns both ways: code, opens, use_limit, buyer_id, valid_from, valid_until, after_refund, after_refund_days.
Only `code` is needed. Times are ISO 8601 with an offset; a blank use limit is without limit.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.kernel.errors import ConflictError, InvalidError
from capabilities.marketing.contract import CreateCoupon
from capabilities.marketing.coupons import BadRow, CouponLine, ImportedCoupons
from capabilities.marketing.models import CouponRow
from capabilities.marketing.pricing import normal_code
from capabilities.marketing.service import create_coupon

COLUMNS = (
    "code",
    "opens",
    "use_limit",
    "buyer_id",
    "valid_from",
    "valid_until",
    "after_refund",
    "after_refund_days",
)
MORE_COLUMNS = ("lot_id", "used", "condition")
"""Written, and passed over when read."""

MAX_ROWS = 100_000
READ_AT_ONCE = 5_000
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def lines_of(coupons: Iterable[CouponLine]) -> Iterator[str]:
    """The lines of a file, the head first. A cell that a spreadsheet would take for a formula gets an apostrophe."""
    yield _line([*COLUMNS, *MORE_COLUMNS])
    for coupon in coupons:
        said = coupon.model_dump(mode="json")
        yield _line(["" if said[name] is None else str(said[name]) for name in (*COLUMNS, *MORE_COLUMNS)])


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(
        ["'" + cell if cell.startswith(FORMULA_SIGNS) else cell for cell in cells]
    )
    return text.getvalue()


def import_coupons(session: Session, business: str, text: str) -> ImportedCoupons:
    """Take every good row of a file; a second time nothing is new. `InvalidError` where the file as a whole cannot be read."""
    added = already = 0
    bad: list[BadRow] = []
    for line, row in _rows(text):
        try:
            request = _request(business, row)
            if add_coupon(session, request):
                added += 1
            else:
                already += 1
        except ValidationError as error:
            first = error.errors()[0]
            bad.append(BadRow(line=line, message=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))
        except (InvalidError, ConflictError) as error:
            bad.append(BadRow(line=line, message=error.message))
    return ImportedCoupons(added=added, already=already, bad=tuple(bad))


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restkey="more")
    head = [name.strip() for name in reader.fieldnames or ()]
    unknown = sorted(set(head) - set(COLUMNS) - set(MORE_COLUMNS))
    if "code" not in head or unknown:
        what = f"Unknown columns: {', '.join(unknown)}." if unknown else "The column code is missing."
        raise InvalidError(
            "marketing.file_unreadable", what, mend=f"Begin with a line that names: {', '.join(COLUMNS)}.", field="file"
        )
    reader.fieldnames = head
    for number, row in enumerate(reader):
        if number >= MAX_ROWS:
            raise InvalidError(
                "marketing.file_too_long", f"A file has at most {MAX_ROWS:,} rows.", mend="Split it.", field="file"
            )
        yield reader.line_num, row


def _request(business: str, row: dict[str, Any]) -> CreateCoupon:
    if row.get("more"):
        raise InvalidError("marketing.row_wrong", "The row has more cells than the head.")
    cells = {name: (row.get(name) or "").strip().removeprefix("'") for name in COLUMNS}
    given = {name: cell for name, cell in cells.items() if cell}
    for name in ("valid_from", "valid_until"):
        if name in given and not _has_offset(given[name]):
            raise InvalidError(
                "marketing.row_wrong", f"{name}: a time with an offset, such as 2026-12-01T00:00:00+08:00."
            )
    return CreateCoupon.model_validate({"business": business} | given)


def _has_offset(text: str) -> bool:
    return text.endswith("Z") or "+" in text[10:] or "-" in text[10:]


def add_coupon(session: Session, request: CreateCoupon) -> bool:
    """Create a coupon; False where it is there already and says the same, `ConflictError` where it says something else."""
    try:
        create_coupon(session, request)
    except ConflictError:
        known = session.scalars(
            select(CouponRow).where(
                CouponRow.business == request.business, CouponRow.code_key == normal_code(request.code)
            )
        ).one()
        if _said(known) == _asked(request):
            return False
        raise
    return True


def _said(row: CouponRow) -> tuple[object, ...]:
    return (row.opens, row.use_limit, row.buyer_id, row.valid_from, row.valid_until, row.after_refund)


def _asked(request: CreateCoupon) -> tuple[object, ...]:
    opens = normal_code(request.opens or request.code)
    about = (request.use_limit, request.buyer_id, request.valid_from, request.valid_until, request.after_refund)
    return (opens, *about)


def preview_coupons(session: Session, business: str, text: str) -> ImportedCoupons:
    """What `import_coupons` would do with the file now, without doing any of it."""
    good: list[tuple[int, CreateCoupon]] = []
    bad: list[BadRow] = []
    for line, row in _rows(text):
        try:
            good.append((line, _request(business, row)))
        except ValidationError as error:
            first = error.errors()[0]
            bad.append(BadRow(line=line, message=f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))
        except InvalidError as error:
            bad.append(BadRow(line=line, message=error.message))
    known = _known(session, business, [normal_code(request.code) for _, request in good])
    added = already = 0
    for line, request in good:
        code, asked = normal_code(request.code), _asked(request)
        if code not in known:
            known[code] = asked
            added += 1
        elif known[code] == asked:
            already += 1
        else:
            message = f"There is a coupon {request.code} in {business} already."
            bad.append(BadRow(line=line, message=message))
    return ImportedCoupons(added=added, already=already, bad=tuple(sorted(bad, key=lambda row: row.line)))


def _known(session: Session, business: str, codes: list[str]) -> dict[str, tuple[object, ...]]:
    """What the codes that exist say."""
    found: dict[str, tuple[object, ...]] = {}
    for start in range(0, len(codes), READ_AT_ONCE):
        some = codes[start : start + READ_AT_ONCE]
        wanted = select(CouponRow).where(CouponRow.business == business, CouponRow.code_key.in_(some))
        found |= {row.code_key: _said(row) for row in session.scalars(wanted)}
    return found
