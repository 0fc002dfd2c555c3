"""Reconciliation as a partition: every row is matched, parked for the next file, or a mistake. Pure.

The verdicts depend on the set of rows and on how far the statements reach, never on the order in which files came.

| rows of one key | verdict |
|---|---|
| both sides, all equal | matched |
| both sides, another currency, status, amount or fee | mistake on both, named by the first that differs |
| one side twice | the best fitting row counts, every other one is a duplicate |
| one side alone, the other side's statements reach past it | mistake: missing |
| one side alone, the other side's statements do not reach past it yet | parked |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from capabilities.settlement.reconciliation_types import Mistake, ReconRow, Side, Standing, Verdict


@dataclass(frozen=True, slots=True)
class Reach:
    """Up to when the statements of the provider and of the bank tell; None: there is none. A row may be so much late."""

    provider: datetime | None
    bank: datetime | None
    patience: timedelta

    def passed(self, row: ReconRow, until: datetime | None) -> bool:
        """Whether whatever belongs to the row would have to be there."""
        return until is not None and row.occurred_at + self.patience < until


def partition(rows: Iterable[ReconRow], reach: Reach) -> tuple[Verdict, ...]:
    """A verdict for every row, exactly one."""
    by_key: dict[str, list[ReconRow]] = defaultdict(list)
    for row in rows:
        by_key[row.key].append(row)
    verdicts: list[Verdict] = []
    for _, found in sorted(by_key.items()):
        ours = [row for row in found if row.side in (Side.PLATFORM, Side.PROVIDER_PAYOUT)]
        theirs = [row for row in found if row.side in (Side.PROVIDER, Side.BANK)]
        verdicts += _of_key(ours, theirs, reach)
    return tuple(verdicts)


def _of_key(ours: Sequence[ReconRow], theirs: Sequence[ReconRow], reach: Reach) -> list[Verdict]:
    our = _best(ours, theirs)
    their = _best(theirs, ours if our is None else [our])
    verdicts = [
        Verdict(row_id=row.id, standing=Standing.MISTAKE, mistake=Mistake.DUPLICATE, partner_id=counted.id)
        for counted, rows in ((our, ours), (their, theirs))
        for row in rows
        if counted is not None and row.id != counted.id
    ]
    if our is not None and their is not None:
        return [*verdicts, *_compared(our, their, reach)]
    alone = our or their
    return [*verdicts, _alone(alone, reach)] if alone is not None else verdicts


def _best(rows: Sequence[ReconRow], others: Sequence[ReconRow]) -> ReconRow | None:
    """The row that counts: one that fits the other side, else the earliest; ties by id."""

    def unfit(row: ReconRow) -> tuple[bool, datetime, str]:
        return (not any(_difference(other, row) is None for other in others), row.occurred_at, row.id)

    return min(rows, key=unfit, default=None)


def _difference(our: ReconRow, their: ReconRow) -> Mistake | None:
    if our.currency != their.currency:
        return Mistake.CURRENCY
    if our.status != their.status:
        return Mistake.STATUS
    if our.amount_minor != their.amount_minor:
        return Mistake.AMOUNT
    # a side that does not know the fee says nothing about it
    if our.fee_minor is not None and their.fee_minor is not None and our.fee_minor != their.fee_minor:
        return Mistake.FEE
    return None


def _compared(our: ReconRow, their: ReconRow, reach: Reach) -> list[Verdict]:
    mistake = _difference(our, their)
    if mistake is Mistake.STATUS and our.status == "pending" and not reach.passed(our, reach.provider):
        return [_parked(our, their), _parked(their, our)]
    if mistake is None:
        return [
            Verdict(row_id=row.id, standing=Standing.MATCHED, partner_id=other.id)
            for row, other in ((our, their), (their, our))
        ]
    difference = 0
    if mistake is Mistake.AMOUNT:
        difference = their.amount_minor - our.amount_minor
    elif mistake is Mistake.FEE:
        difference = (our.fee_minor or 0) - (their.fee_minor or 0)
    elif mistake is Mistake.STATUS:
        difference = their.amount_minor if their.status == "succeeded" else -our.amount_minor
    return [
        Verdict(
            row_id=row.id,
            standing=Standing.MISTAKE,
            mistake=mistake,
            partner_id=other.id,
            difference_minor=difference,
        )
        for row, other in ((our, their), (their, our))
    ]


def _parked(row: ReconRow, other: ReconRow) -> Verdict:
    return Verdict(row_id=row.id, standing=Standing.PARKED, partner_id=other.id)


def _alone(row: ReconRow, reach: Reach) -> Verdict:
    """A row nobody else knows: it waits until the other side's statements have passed it."""
    # nothing moved, and nobody says that anything did
    if row.status == "failed" or (row.side is Side.PROVIDER_PAYOUT and row.amount_minor == 0):
        return Verdict(row_id=row.id, standing=Standing.MATCHED)
    until = reach.bank if row.side is Side.PROVIDER_PAYOUT else reach.provider
    if row.status == "pending" or not reach.passed(row, until):
        return Verdict(row_id=row.id, standing=Standing.PARKED)
    # the provider says it has paid us, or did something: here is where it is missing
    is_missing_here = row.side in (Side.PROVIDER, Side.PROVIDER_PAYOUT)
    return Verdict(
        row_id=row.id,
        standing=Standing.MISTAKE,
        mistake=Mistake.MISSING_HERE if is_missing_here else Mistake.MISSING_AT_PROVIDER,
        difference_minor=row.amount_minor if row.side in (Side.PROVIDER, Side.BANK) else -row.amount_minor,
    )
