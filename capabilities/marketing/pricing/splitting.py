"""Split an amount over lines exactly, within the room each has; and share a line's amount over its units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cmp_to_key
from typing import Literal

from capabilities.kernel.errors import InvalidError
from capabilities.marketing.pricing.rounding import round_ratio

Remainder = Literal["largest", "first_lines", "last_line"]


def split(total: int, weights: Sequence[int], remainder: Remainder = "largest") -> list[int]:
    """Split `total` in proportion to `weights`; the parts add up to it exactly.

    What whole minor units leave over goes to the largest remainders (ties to the earlier part), to the first parts, or
    to the last one. A weight of zero gets nothing, all weights zero mean equal parts; a negative total mirrors a
    positive one. Raises `InvalidError` for no weights or a negative one.
    """
    if total < 0:
        return [-part for part in split(-total, weights, remainder)]
    return split_within(total, weights, [total] * len(weights), remainder)


def split_within(
    total: int, weights: Sequence[int], limits: Sequence[int], remainder: Remainder = "largest"
) -> list[int]:
    """Split `total` like water over vessels: no part above its limit, what does not fit flows to the others.

    The parts add up to `total`, or to the sum of the limits where that is less.
    """
    if not weights or min(weights) < 0:
        raise InvalidError("marketing.split_impossible", "An amount is split over at least one, non-negative weight.")
    parts = [0] * len(weights)
    room = [max(0, limit) for limit in limits]
    left = min(total, sum(room))
    weighted = [i for i, weight in enumerate(weights) if weight and room[i]]
    left -= _fill(parts, left, weighted, weights, room, remainder)
    if left:
        # only parts of weight zero still have room: equal parts
        rest = [i for i in range(len(parts)) if not weights[i] and room[i]]
        _fill(parts, left, rest, [1] * len(weights), room, remainder)
    return parts


def _fill(
    parts: list[int], total: int, among: list[int], weights: Sequence[int], room: Sequence[int], remainder: Remainder
) -> int:
    """Fill `parts` of the indices `among`; returns how much was given.

    A part is full where its limit is below its proportional share. Taken in the order of limit to weight, each full one
    only raises the level of the rest, so one pass finds all of them: n log n, not a round for each line.
    """
    left, weight_left, full = total, sum(weights[i] for i in among), 0

    def by_level(a: int, b: int) -> int:
        return room[a] * weights[b] - room[b] * weights[a]

    ranked = sorted(among, key=cmp_to_key(by_level))
    for i in ranked:
        if room[i] * weight_left >= left * weights[i]:
            break
        parts[i] = room[i]
        left -= room[i]
        weight_left -= weights[i]
        full += 1
    open_parts = sorted(ranked[full:])
    for i in open_parts:
        parts[i] = left * weights[i] // weight_left
    over = left - sum(parts[i] for i in open_parts)
    if remainder == "largest":
        open_parts.sort(key=lambda i: (-(left * weights[i] % weight_left), i))
    _hand_out(parts, over, reversed(open_parts) if remainder == "last_line" else open_parts, room, remainder)
    return total - (left if not open_parts else 0)


def _hand_out(parts: list[int], over: int, order: Iterable[int], room: Sequence[int], remainder: Remainder) -> None:
    for i in order:
        if not over:
            return
        more = min(over, room[i] - parts[i]) if remainder == "last_line" else min(1, room[i] - parts[i])
        parts[i] += more
        over -= more


def share(amount_minor: int, quantity: int, units: int) -> int:
    """What the first `units` of `quantity` equal units are worth of an amount: round(amount × units / quantity).

    Units i+1…j are worth `share(j) − share(i)`, so any sequence of partial returns adds up to the amount exactly.
    """
    if not 0 <= units <= quantity or quantity < 1:
        raise InvalidError("marketing.share_impossible", f"{units} of {quantity} units cannot be shared.")
    return round_ratio(amount_minor * units, quantity)


def share_between(amount_minor: int, quantity: int, returned: int, more: int) -> int:
    """What `more` further units are worth after `returned` of them came back already."""
    return share(amount_minor, quantity, returned + more) - share(amount_minor, quantity, returned)
