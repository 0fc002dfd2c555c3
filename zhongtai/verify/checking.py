"""What a check is: a number and name of `business.md`'s invariants, how many rows it saw, and what breaks it.

Most checks are one statement over the whole database, so that each sees one moment of it even while checkouts run.
What only code can tell (a fold, a price computed again) is a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

MOST_TOLD = 100
"""Breaks told of one invariant; more would hide the others."""

IMPORTED = "SELECT count(*) FROM sales_order WHERE origin = 'import'"


@dataclass(frozen=True, slots=True)
class InvariantResult:
    """One invariant: the rows it was checked on, and a sentence for each break (at most `MOST_TOLD`)."""

    number: int
    name: str
    rows: int
    broken: list[str] = field(default_factory=list)


class Check(Protocol):
    """Anything that can be run against the database."""

    def run(self, session: Session) -> InvariantResult: ...


@dataclass(frozen=True, slots=True)
class Statement:
    """A check in SQL: `rows` counts, `broken` selects one text a break. `left_out` counts what is none of its business."""

    number: int
    name: str
    rows: str
    broken: str
    left_out: str | None = None

    def run(self, session: Session) -> InvariantResult:
        rows = int(session.execute(text(self.rows)).scalar_one())
        told = session.execute(text(f"SELECT * FROM ({self.broken}) AS told LIMIT {MOST_TOLD}"))  # noqa: S608 - both are ours
        name = self.name
        if self.left_out is not None and (left_out := int(session.execute(text(self.left_out)).scalar_one())):
            name = f"{name} ({left_out:,} imported orders left out)"
        return InvariantResult(self.number, name, rows, [str(row[0]) for row in told])


@dataclass(frozen=True, slots=True)
class Examination:
    """A check in code: yields, for each row it saw, what is broken about it, or None."""

    number: int
    name: str
    examine: Callable[[Session], Iterable[str | None]]

    def run(self, session: Session) -> InvariantResult:
        rows, broken = 0, list[str]()
        for told in self.examine(session):
            rows += 1
            if told is not None and len(broken) < MOST_TOLD:
                broken.append(told)
        return InvariantResult(self.number, self.name, rows, broken)
