"""Statements as files: CSV and XLSX, in English or Chinese. The same statement gives the same bytes.

Amounts are numbers with the decimals of the currency. No cell of text is ever taken for a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy.orm import Session

from capabilities.kernel.business import business_of
from capabilities.kernel.errors import MissingError
from capabilities.kernel.money import Money, minor_unit_digits
from capabilities.settlement.contract import SellerStatement
from capabilities.settlement.queries_statement import statement_of

Language = Literal["en", "zh"]
Cell = str | Decimal

HEADS: dict[Language, tuple[str, ...]] = {
    "en": (
        "Booked",
        "Kind",
        "Order",
        "Line",
        "Reference",
        "Amount without tax",
        "Commission",
        "Tax on commission",
        "Channel fee",
        "Withheld tax",
        "For the seller",
    ),
    "zh": (
        "入账时间",
        "类型",
        "订单",
        "商品行",
        "凭证",
        "不含税金额",
        "佣金",
        "佣金税额",
        "渠道费",
        "代扣税",
        "卖家金额",
    ),
}
KINDS: dict[Language, dict[str, str]] = {
    "en": {
        "earning": "Sale",
        "reversal": "Refund",
        "reinstatement": "Refund came to nothing",
        "reserve": "Kept in reserve",
        "reserve_release": "Reserve released",
        "adjustment": "Adjustment",
        "payout": "Payout",
        "opening": "Balance before",
        "closing": "Balance after",
    },
    "zh": {
        "earning": "销售",
        "reversal": "退款",
        "reinstatement": "退款撤销",
        "reserve": "计提保证金",
        "reserve_release": "释放保证金",
        "adjustment": "调整",
        "payout": "打款",
        "opening": "期初余额",
        "closing": "期末余额",
    },
}
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n")
_TEXT_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class File:
    """A file to hand out."""

    name: str
    media_type: str
    content: bytes


def statement_file(
    session: Session, business: str, statement_id: str, *, form: Literal["csv", "xlsx"], language: Language
) -> File:
    """An issued statement as a file. `MissingError` where the business has none of that id."""
    statement = statement_of(session, statement_id)
    if statement.business != business:
        raise MissingError("settlement.statement_unknown", f"There is no statement {statement_id!r}.")
    make, media_type = _FORMS[form]
    content = make(statement, language=language, zone=business_of(session, business).zone)
    return File(f"{statement.id}.{form}", media_type, content)


def csv_file(statement: SellerStatement, *, language: Language, zone: ZoneInfo) -> bytes:
    """The statement as CSV in UTF-8, with the mark by which spreadsheets know it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for row in _rows(statement, language, zone):
        writer.writerow([_harmless(cell) if isinstance(cell, str) else str(cell) for cell in row])
    return ("\ufeff" + out.getvalue()).encode()


def xlsx_file(statement: SellerStatement, *, language: Language, zone: ZoneInfo) -> bytes:
    """The statement as a workbook of one sheet."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = xlsxwriter.Workbook(out, options)
    # the moment of writing would make other bytes of the same statement
    book.set_properties({"created": statement.ends_at.replace(tzinfo=None), "title": statement.id})
    digits = minor_unit_digits(statement.currency)
    money = book.add_format({"num_format": "#,##0" + ("." + "0" * digits if digits else "")})
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet(statement.currency)
    for number, row in enumerate(_rows(statement, language, zone)):
        for column, cell in enumerate(row):
            if isinstance(cell, Decimal):
                sheet.write_number(number, column, float(cell), money)
            else:
                sheet.write_string(number, column, _harmless(cell), bold if number == 0 else None)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, _TEXT_COLUMNS - 1, 24)
    sheet.set_column(_TEXT_COLUMNS, len(HEADS[language]) - 1, 16)
    book.close()
    return out.getvalue()


_FORMS = {
    "csv": (csv_file, "text/csv; charset=utf-8"),
    "xlsx": (xlsx_file, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}


def _rows(statement: SellerStatement, language: Language, zone: ZoneInfo) -> Iterator[tuple[Cell, ...]]:
    kinds = KINDS[language]
    yield tuple(
        f"{head} ({statement.currency})" if i >= _TEXT_COLUMNS else head for i, head in enumerate(HEADS[language])
    )
    if statement.starts_at is not None:
        yield _balance(statement, kinds["opening"], statement.starts_at, statement.opening_minor, zone)
    for line in statement.lines:
        amounts = (
            line.base_minor,
            -line.commission_minor,
            -line.tax_minor,
            -line.channel_fee_minor,
            -line.withheld_minor,
            line.amount_minor,
        )
        yield (
            _moment(line.booked_at, zone),
            kinds[line.kind],
            line.order_id or "",
            line.line_id or "",
            line.reference,
            *(_decimal(minor, statement.currency) for minor in amounts),
        )
    yield _balance(statement, kinds["closing"], statement.ends_at, statement.closing_minor, zone)


def _balance(
    statement: SellerStatement, name: str, at: datetime, amount_minor: int, zone: ZoneInfo
) -> tuple[Cell, ...]:
    nothing: tuple[Cell, ...] = ("",) * 5
    return (
        _moment(at, zone),
        name,
        "",
        "",
        statement.seller_id,
        *nothing,
        _decimal(amount_minor, statement.currency),
    )


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _decimal(minor: int, currency: str) -> Decimal:
    return Decimal(Money(minor, currency).decimal())


def _harmless(text: str) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe in front, which spreadsheets do not show."""
    return f"'{text}" if text.lstrip(" ").startswith(_TRIGGERS) else text
