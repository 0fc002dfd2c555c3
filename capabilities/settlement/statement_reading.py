"""Reading statements of providers and banks: tolerant of column names and order, exact about what stands in the columns.

Everything that cannot be read is told at once, each with its line; nothing of a file with such a line is taken in.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from pydantic import ValidationError

from capabilities.kernel.errors import InvalidError, PlatformError
from capabilities.kernel.money import MAX_MINOR, Money
from capabilities.settlement.reconciliation_types import ReadProblem, ReconRow, Side

MOST_PROBLEMS = 50
MOST_ROWS = 200_000

NAMES: Mapping[str, tuple[str, ...]] = {
    "reference": ("reference", "merchant_reference", "our_reference", "key", "流水号", "商户订单号"),
    "kind": ("kind", "type", "类型"),
    "currency": ("currency", "ccy", "币种"),
    "gross_minor": ("gross_minor", "amount_minor"),
    "gross": ("gross", "amount", "金额"),
    "fee_minor": ("fee_minor",),
    "fee": ("fee", "fees", "手续费"),
    "net_minor": ("net_minor",),
    "net": ("net", "净额"),
    "occurred_at": ("occurred_at", "booked_at", "value_date", "date", "created", "日期", "时间"),
    "payout": ("bank_reference", "payout_reference", "payout", "transfer", "结算单号"),
    "status": ("status", "state", "状态"),
}
"""By what we call a column: the names under which it may stand in a file."""

BANK_REFERENCE = ("reference", "bank_reference", "purpose", "description", "附言")
KINDS = {"charge", "refund", "refund_reversal", "chargeback", "chargeback_reversal"}


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row and the line it stands on; the header is line 1."""

    line: int
    row: ReconRow


def read_statement(content: str, kind: Literal["provider", "bank"], *, file_id: str) -> tuple[ReadRow, ...]:
    """The rows of a statement. `InvalidError` names every line that cannot be read, up to a number of them."""
    plain = content.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(plain), delimiter=_delimiter(plain), strict=True)
    rows: list[ReadRow] = []
    problems: list[ReadProblem] = []
    try:
        columns = _columns(next(reader, []), kind)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            try:
                rows.append(
                    ReadRow(reader.line_num, _row(dict(_cells(columns, cells)), kind, file_id, reader.line_num))
                )
            except PlatformError as error:
                problems.append(ReadProblem(line=reader.line_num, message=error.message))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                problems.append(ReadProblem(line=reader.line_num, message=f"{first['loc'][-1]}: {first['msg']}."))
            if len(problems) >= MOST_PROBLEMS or len(rows) > MOST_ROWS:
                break
    except csv.Error as error:
        problems.append(ReadProblem(line=reader.line_num, message=f"This is not CSV: {error}."))
    if len(rows) > MOST_ROWS:
        raise InvalidError("settlement.file_too_long", f"A statement has at most {MOST_ROWS} lines.", mend="Split it.")
    if problems:
        told = "; ".join(f"line {problem.line}: {problem.message}" for problem in problems[:5])
        raise InvalidError(
            "settlement.file_unreadable",
            f"The statement cannot be read: {told}",
            mend="Correct these lines, or ask for the file again; nothing of it was taken in.",
            lines=[problem.model_dump() for problem in problems],
        )
    if not rows:
        raise InvalidError("settlement.file_empty", "The statement has no lines.", mend="Choose a file with rows.")
    return tuple(rows)


def content_sha256(content: str) -> str:
    """What makes a file the same file."""
    return sha256(content.encode()).hexdigest()


def _delimiter(content: str) -> str:
    """What separates the columns: whichever stands most often in the first line."""
    header = content.partition("\n")[0]
    return max(",;\t", key=header.count)


def _columns(header: list[str], kind: str) -> dict[str, int]:
    """Where each column stands. `InvalidError` for a file that lacks one that is needed."""
    there = {name.strip().lower(): position for position, name in enumerate(header)}
    names = dict(NAMES) | ({"reference": BANK_REFERENCE} if kind == "bank" else {})
    found = {
        ours: next(there[name] for name in theirs if name in there)
        for ours, theirs in names.items()
        if any(name in there for name in theirs)
    }
    needed = ["reference", "currency", "occurred_at"] + (["kind", "payout"] if kind == "provider" else [])
    missing = [name for name in needed if name not in found]
    if "gross" not in found and "gross_minor" not in found:
        missing.append("amount")
    if missing:
        raise InvalidError(
            "settlement.columns_missing",
            f"Line 1: the statement has no column for {', '.join(missing)}.",
            mend=f"The first line names the columns, such as {', '.join(sorted(NAMES))}.",
        )
    return found


def _cells(columns: dict[str, int], cells: list[str]) -> list[tuple[str, str]]:
    return [(name, cells[position].strip()) for name, position in columns.items() if position < len(cells)]


def _row(cells: dict[str, str], kind: str, file_id: str, line: int) -> ReconRow:
    currency = _needed(cells, "currency").upper()
    amount = _amount(cells, "gross", currency)
    if amount is None:
        raise InvalidError("settlement.cell_empty", "the amount is empty.")
    occurred_at = _moment(_needed(cells, "occurred_at"))
    if kind == "bank":
        reference = _needed(cells, "reference")
        return ReconRow(
            id=f"{file_id}.{line}",
            side=Side.BANK,
            key=f"pay:{reference}",
            kind="payout",
            amount_minor=amount,
            currency=currency,
            payout_reference=reference,
            occurred_at=occurred_at,
        )
    word = _needed(cells, "kind").lower()
    if word not in KINDS:
        raise InvalidError(
            "settlement.kind_unknown", f"there is no kind {word!r}; known are {', '.join(sorted(KINDS))}."
        )
    reference = _needed(cells, "reference")
    fee = _amount(cells, "fee", currency) or 0
    net = _amount(cells, "net", currency)
    if net is not None and net != amount - fee:
        raise InvalidError("settlement.net_wrong", f"the net of {net} is not {amount} less the fee of {fee}.")
    return ReconRow(
        id=f"{file_id}.{line}",
        side=Side.PROVIDER,
        key=f"act:{word}:{_needed(cells, 'reference')}",
        kind=word,
        amount_minor=amount,
        fee_minor=fee,
        currency=currency,
        status=_status(cells.get("status", "")),
        payout_reference=_needed(cells, "payout"),
        occurred_at=occurred_at,
    )


def _status(text: str) -> str:
    word = text.lower()
    if word in {"", "succeeded", "success", "paid", "settled", "available", "成功"}:
        return "succeeded"
    if word in {"failed", "failure", "declined", "cancelled", "失败"}:
        return "failed"
    if word in {"pending", "processing", "处理中"}:
        return "pending"
    raise InvalidError("settlement.status_unknown", f"there is no status {text!r}.")


def _needed(cells: dict[str, str], name: str) -> str:
    text = cells.get(name, "")
    if not text:
        raise InvalidError("settlement.cell_empty", f"the {name} is empty.")
    return text


def _amount(cells: dict[str, str], name: str, currency: str) -> int | None:
    """Minor units where the column says so, else a decimal number; None where neither is there."""
    minor = cells.get(f"{name}_minor", "")
    if minor:
        try:
            amount = int(minor)
        except ValueError:
            raise InvalidError("settlement.amount_unreadable", f"{minor!r} is not a whole number.") from None
    elif cells.get(name):
        amount = Money.of(cells[name], currency).minor
    else:
        return None
    if abs(amount) > MAX_MINOR:
        raise InvalidError("settlement.amount_unreadable", f"{amount} is too large.")
    return amount


def _moment(text: str) -> datetime:
    """A date or a time, in UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidError("settlement.time_unreadable", f"{text!r} is not a date such as 2026-03-01.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
