"""Statements of providers as CSV: the columns are the fields of `ProviderStatementLine`, in their order. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from pydantic import ValidationError

from capabilities.kernel.errors import InvalidError
from capabilities.payment.contract import STATEMENT_COLUMNS, ProviderStatementLine

MOST_LINES = 200_000


def statement_csv(lines: Iterable[ProviderStatementLine]) -> str:
    """The file, with its heading."""
    text = io.StringIO()
    table = csv.DictWriter(text, STATEMENT_COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(line.model_dump(mode="json") for line in lines)
    return text.getvalue()


def statement_lines(text: str) -> tuple[ProviderStatementLine, ...]:
    """The lines of a file; `InvalidError` names the first line that cannot be read, or whose net is not gross − fee."""
    table = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if tuple(table.fieldnames or ()) != STATEMENT_COLUMNS:
        raise InvalidError(
            "payment.statement_unreadable",
            "The columns are not those of a provider's statement.",
            mend=f"The first line is {','.join(STATEMENT_COLUMNS)}",
        )
    lines = []
    for number, row in enumerate(table, 2):
        if number > MOST_LINES:
            raise InvalidError("payment.statement_too_long", f"A statement has at most {MOST_LINES:,} lines.")
        try:
            line = ProviderStatementLine.model_validate(row)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise _unreadable(number, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        if line.net_minor != line.gross_minor - line.fee_minor:
            raise _unreadable(number, "net is not gross less fee")
        lines.append(line)
    return tuple(lines)


def _unreadable(number: int, why: str) -> InvalidError:
    return InvalidError(
        "payment.statement_unreadable", f"Line {number} of the statement cannot be read: {why}.", line=number
    )
