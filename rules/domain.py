"""What one field may be: sets of values that can be intersected, united and turned around, exactly, missing included.

Numbers, dates and booleans are closed integer spans; text is a list of values, or everything but a list. Everything a
condition asks of one field folds into one of these, so that contradictions vanish and ranges meet the engine as one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

LIMIT = 10**15
"""Limit on numbers in conditions. Facts beyond it count as just beyond it, which no condition can tell apart."""

LOWEST, HIGHEST = -LIMIT - 1, LIMIT + 1
Span = tuple[int, int]


def within_limits(value: int) -> int:
    """The value, or just beyond the limit it lies beyond."""
    return max(LOWEST, min(HIGHEST, value))


@dataclass(frozen=True, slots=True)
class Numbers:
    """Closed spans, ascending, never touching, between `LOWEST` and `HIGHEST`; and whether a missing value will do."""

    spans: tuple[Span, ...]
    missing: bool = False

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Numbers:
        """Spans in any order, cut to the limits and joined where they touch."""
        joined: list[Span] = []
        for low, high in sorted((max(low, LOWEST), min(high, HIGHEST)) for low, high in spans):
            if low > high:
                continue
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
            else:
                joined.append((low, high))
        return cls(tuple(joined))

    @property
    def is_empty(self) -> bool:
        return not self.spans and not self.missing

    @property
    def is_everything(self) -> bool:
        return self.missing and self.spans == ((LOWEST, HIGHEST),)

    def intersection(self, other: Numbers) -> Numbers:
        found, i, j = [], 0, 0
        while i < len(self.spans) and j < len(other.spans):
            low = max(self.spans[i][0], other.spans[j][0])
            high = min(self.spans[i][1], other.spans[j][1])
            if low <= high:
                found.append((low, high))
            if self.spans[i][1] < other.spans[j][1]:
                i += 1
            else:
                j += 1
        return Numbers(tuple(found), self.missing and other.missing)

    def union(self, other: Numbers) -> Numbers:
        return Numbers(Numbers.of((*self.spans, *other.spans)).spans, self.missing or other.missing)

    def complement(self) -> Numbers:
        gaps, start = [], LOWEST
        for low, high in self.spans:
            if start < low:
                gaps.append((start, low - 1))
            start = high + 1
        if start <= HIGHEST:
            gaps.append((start, HIGHEST))
        return Numbers(tuple(gaps), not self.missing)

    def covers(self, other: Numbers) -> bool:
        """Whether everything of the other lies inside."""
        return self.intersection(other) == other

    def points(self) -> tuple[int, ...] | None:
        """The values one by one, None where missing will do or some span is wider than a point."""
        if self.missing or any(low != high for low, high in self.spans):
            return None
        return tuple(low for low, _ in self.spans)

    def excluded(self) -> tuple[int, ...] | None:
        """The values that will not do, None where it is not "all but some points" or missing will do."""
        return None if self.missing else Numbers(self.complement().spans).points()

    def has(self, value: int) -> bool:
        i = bisect_right(self.spans, value, key=lambda span: span[0]) - 1
        return i >= 0 and value <= self.spans[i][1]


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts, or (`others`) every text but those listed; and whether a missing value will do."""

    values: frozenset[str]
    others: bool = False
    missing: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.values and not self.others and not self.missing

    @property
    def is_everything(self) -> bool:
        return self.missing and self.others and not self.values

    def intersection(self, other: Texts) -> Texts:
        missing = self.missing and other.missing
        match self.others, other.others:
            case True, True:
                return Texts(self.values | other.values, others=True, missing=missing)
            case True, False:
                return Texts(other.values - self.values, missing=missing)
            case False, True:
                return Texts(self.values - other.values, missing=missing)
        return Texts(self.values & other.values, missing=missing)

    def union(self, other: Texts) -> Texts:
        return self.complement().intersection(other.complement()).complement()

    def complement(self) -> Texts:
        return Texts(self.values, not self.others, not self.missing)

    def covers(self, other: Texts) -> bool:
        """Whether everything of the other lies inside."""
        return self.intersection(other) == other

    def points(self) -> tuple[str, ...] | None:
        """The values one by one, None where missing will do or it is a list of exceptions."""
        return None if self.missing or self.others else tuple(sorted(self.values))

    def excluded(self) -> tuple[str, ...] | None:
        """The values that will not do, None where it is a list of those that will or missing will do."""
        return None if self.missing or not self.others else tuple(sorted(self.values))

    def has(self, value: str) -> bool:
        return (value in self.values) != self.others


Domain = Numbers | Texts
EVERY_NUMBER = Numbers(((LOWEST, HIGHEST),), missing=True)
EVERY_TEXT = Texts(frozenset(), others=True, missing=True)


def meet(one: Domain, other: Domain) -> Domain:
    """What lies in both; both are of the same kind, as they are of the same field."""
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return one.intersection(other)
    if isinstance(one, Texts) and isinstance(other, Texts):
        return one.intersection(other)
    raise TypeError(f"{one} and {other} are not of one field")


def join(one: Domain, other: Domain) -> Domain:
    """What lies in either."""
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return one.union(other)
    if isinstance(one, Texts) and isinstance(other, Texts):
        return one.union(other)
    raise TypeError(f"{one} and {other} are not of one field")


def covers(wide: Domain, narrow: Domain) -> bool:
    """Whether everything of `narrow` lies in `wide`."""
    return meet(wide, narrow) == narrow
