"""Units of lines as runs: a line is so many units of one value, and is never taken apart into pieces.

`Runs` hands out the dearest or cheapest units that no set has used up. The work is in the number of lines, whatever the
number of pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

from capabilities.marketing.pricing.splitting import share
from capabilities.marketing.pricing.state import Position

Side = Literal["cheapest", "dearest"]
Taken = dict[str, int]
"""How many units of each position, by its id."""


class Runs:
    """The free units of some positions, in the order of what a unit is worth; ties by the order of the lines."""

    def __init__(self, positions: Sequence[Position]) -> None:
        self._positions = [position for position in positions if position.free_units]
        values = {p.id: Fraction(p.spread_minor, p.quantity) for p in self._positions}
        numbered = range(len(self._positions))
        self._dearest = sorted(numbered, key=lambda i: (-values[self._positions[i].id], i))
        self._cheapest = sorted(numbered, key=lambda i: (values[self._positions[i].id], i))
        self.values: Mapping[str, Fraction] = values

    def free(self, used: Mapping[str, int]) -> int:
        """How many units are free beside those used meanwhile."""
        return sum(position.free_units - used.get(position.id, 0) for position in self._positions)

    def take(self, units: int, side: Side, used: Taken) -> Taken | None:
        """So many units from one side, marked as used; None (and nothing marked) where there are fewer."""
        taken: Taken = {}
        for position in self._from(side):
            if not units:
                break
            found = min(units, position.free_units - used.get(position.id, 0))
            if found:
                taken[position.id] = found
                units -= found
        if units:
            return None
        _mark(taken, used)
        return taken

    def take_worth(self, amount_minor: int, side: Side, used: Taken) -> Taken | None:
        """As few units as are worth that amount; None where all of them are not."""
        taken: Taken = {}
        for position in self._from(side):
            if amount_minor <= 0:
                break
            offset = used.get(position.id, 0)
            free = position.free_units - offset
            whole = worth_of(position, offset, free)
            if not free or not whole:
                continue
            found = free if whole <= amount_minor else _fewest(position, offset, free, amount_minor)
            taken[position.id] = found
            amount_minor -= worth_of(position, offset, found)
        if amount_minor > 0:
            return None
        _mark(taken, used)
        return taken

    def _from(self, side: Side) -> Sequence[Position]:
        order = self._cheapest if side == "cheapest" else self._dearest
        return [self._positions[i] for i in order]


def worth_of(position: Position, offset: int, units: int) -> int:
    """What so many units are worth after `offset` free ones are used meanwhile: cumulative shares, exact in sum."""
    start = position.set_units + offset
    spread, quantity = position.spread_minor, position.quantity
    return share(spread, quantity, start + units) - share(spread, quantity, start)


def _fewest(position: Position, offset: int, free: int, amount_minor: int) -> int:
    low, high = 1, free
    while low < high:
        middle = (low + high) // 2
        if worth_of(position, offset, middle) >= amount_minor:
            high = middle
        else:
            low = middle + 1
    return low


def _mark(taken: Mapping[str, int], used: Taken) -> None:
    for position_id, units in taken.items():
        used[position_id] = used.get(position_id, 0) + units
