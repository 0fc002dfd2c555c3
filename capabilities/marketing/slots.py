"""The arithmetic of a counter that is split into slots. Pure: slots in, slots out.

Each slot has room of its own, so that checkouts that find room in different slots do not wait for each other. What the
counter allows is the sum over its slots: room is moved between them, never made. So exactly N stays exactly N, also where
one slot is empty and others are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MOST_SLOTS = 16
USES_A_SLOT = 16
"""A slot of uses holds at least so many: below that, moving room between slots costs more than waiting."""
SPEND_A_SLOT_MINOR = 100_00


@dataclass(frozen=True, slots=True)
class Slot:
    """What one slot allows, and what is used of it."""

    most: int
    used: int

    @property
    def left(self) -> int:
        return self.most - self.used


@dataclass(frozen=True, slots=True)
class Slots:
    """A whole counter. Where more is used than `total` allows (it was lowered since), `is_over` and no slot has room."""

    total: int
    slots: tuple[Slot, ...]
    is_over: bool = False

    @property
    def used(self) -> int:
        return sum(slot.used for slot in self.slots)

    @property
    def left(self) -> int:
        return max(0, self.total - self.used)


def slots_for(counts: Literal["uses", "spend"], most: int, *, most_slots: int = MOST_SLOTS) -> int:
    """How many slots a counter of that size begins with."""
    return max(1, min(most_slots, most // (USES_A_SLOT if counts == "uses" else SPEND_A_SLOT_MINOR)))


def fresh(total: int, count: int) -> Slots:
    """A counter of which nothing is used yet."""
    return Slots(total, tuple(Slot(share, 0) for share in _even(total, count)))


def resized(found: Slots, total: int) -> Slots:
    """The same uses under another total: what is left is spread evenly."""
    left = total - found.used
    if left < 0:
        return Slots(total, tuple(Slot(slot.used, slot.used) for slot in found.slots), is_over=True)
    return _spread(found, left, total)


def gathered(found: Slots, amount: int, into: int) -> Slots | None:
    """The counter with room for `amount` gathered in one slot and taken there; None where all slots together lack it."""
    if amount > found.left:
        return None
    spread = _spread(found, found.left - amount, found.total)
    chosen = spread.slots[into]
    taken = Slot(chosen.most + amount, chosen.used + amount)
    return Slots(found.total, (*spread.slots[:into], taken, *spread.slots[into + 1 :]))


def given_back(found: Slots, amount: int, of: int) -> Slots:
    """The counter after `amount` came back to a slot; of one that is over, nothing becomes free by that alone."""
    slot = found.slots[of]
    back = Slot(slot.most - amount if found.is_over else slot.most, slot.used - amount)
    return Slots(found.total, (*found.slots[:of], back, *found.slots[of + 1 :]), found.is_over)


def _spread(found: Slots, left: int, total: int) -> Slots:
    shares = _even(left, len(found.slots))
    return Slots(
        total, tuple(Slot(slot.used + share, slot.used) for slot, share in zip(found.slots, shares, strict=True))
    )


def _even(total: int, count: int) -> Sequence[int]:
    share, rest = divmod(total, count)
    return [share + (number < rest) for number in range(count)]
