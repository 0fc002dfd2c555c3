"""What the grocer took off and what the product takes off, line by line, with every difference explained by its kind.

Pure: baskets as they were sold, quotes as the API gave them. A line is compared in four parts: the price of the shelf, the
shop's own reduction, the coupon, and what the shop added to the coupon.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zhongtai.grocer import Basket, BasketLine, Grocer, is_fuel
from zhongtai.grocer_promotions import CouponKey, Promotions, Shelf
from zhongtai.journey_rules import COUPON, MATCH, SHELF, code_of, weeks_of

PARTS = ("price", SHELF, COUPON, MATCH)
PART_NAMES = {"price": "Shelf price", SHELF: "The shop's own", COUPON: "Coupon", MATCH: "Added to it"}
EXAMPLES = 3

SAME = "same"
FUEL = "fuel, by the thousandth of a gallon"
ROUNDING = "rounding: less than a cent a piece"
UNEVEN = "does not divide by its pieces"
UNUSUAL = "no usual price that week"
OTHER_PRICE = "another price than the week's"
NOT_REDUCED = "sold without the week's reduction"
REDUCED = "reduced, where the week has no reduction"
OTHER_REDUCTION = "another reduction than the week's"
UNRECORDED = "a coupon nobody wrote down"
NOT_SENT = "campaign not sent to that household"
OUTSIDE = "outside the weeks of the campaign"
SEVERAL = "more than one coupon for the line"
REPEATED = "the same coupon several times"
ELSEWHERE = "on other lines of the basket"
ABOVE = "coupon above what the goods cost"
OTHER_WORTH = "the coupon was worth something else"
NOT_TAKEN = "redeemed, but nothing came off"
AS_COUPON = "follows the coupon"
NOT_MATCHED = "not matched that time"
MATCHED = "matched, which is not usual"
OTHER_MATCH = "matched by another amount"


@dataclass(frozen=True, slots=True)
class Seen:
    """One part of one line on both sides."""

    grocer_minor: int
    ours_minor: int

    @property
    def difference_minor(self) -> int:
        return self.ours_minor - self.grocer_minor


@dataclass(slots=True)
class Tally:
    """Lines of one part and kind: how many, and the money on both sides."""

    lines: int = 0
    grocer_minor: int = 0
    ours_minor: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, basket: Basket, line: BasketLine, seen: Seen) -> None:
        self.lines += 1
        self.grocer_minor += seen.grocer_minor
        self.ours_minor += seen.ours_minor
        if len(self.examples) < EXAMPLES:
            self.examples.append(
                {
                    "basket": basket.id,
                    "product": line.product,
                    "pieces": line.pieces,
                    "grocer_minor": seen.grocer_minor,
                    "ours_minor": seen.ours_minor,
                }
            )


@dataclass(slots=True)
class Comparison:
    """All that was compared: by part and kind, and how many baskets have the same discount in all."""

    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    baskets: int = 0
    same_baskets: int = 0
    same_lines: int = 0
    lines: int = 0
    by_kinds: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Of baskets that differ: which kinds of differences they have."""

    def rows(self) -> list[tuple[str, str, Tally]]:
        """By part, the same first, then by how much money differs."""

        def place(found: tuple[tuple[str, str], Tally]) -> tuple[Any, ...]:
            (part, kind), tally = found
            differs = abs(tally.ours_minor - tally.grocer_minor)
            return (PARTS.index(part), kind != SAME, -differs, -tally.lines, kind)

        return [(part, kind, tally) for (part, kind), tally in sorted(self.tallies.items(), key=place)]

    def as_json(self) -> dict[str, Any]:
        """The same quotes give the same text: no times, no ids of runs."""
        return {
            "baskets": {"compared": self.baskets, "same_discount": self.same_baskets},
            "lines": {"compared": self.lines, "same_in_every_part": self.same_lines},
            "kinds": [
                {
                    "part": part,
                    "kind": kind,
                    "lines": tally.lines,
                    "grocer_minor": tally.grocer_minor,
                    "ours_minor": tally.ours_minor,
                    "difference_minor": tally.ours_minor - tally.grocer_minor,
                    "examples": [] if kind == SAME else tally.examples,
                }
                for part, kind, tally in self.rows()
            ],
            "baskets_that_differ": [
                {"kinds": list(kinds), "baskets": count}
                for kinds, count in sorted(self.by_kinds.items(), key=lambda found: (-found[1], found[0]))
            ],
        }


def compare(
    grocer: Grocer, promotions: Promotions, baskets: Sequence[Basket], quotes: Mapping[int, Mapping[str, Any]]
) -> Comparison:
    """Compare each basket that has a quote."""
    found = Comparison()
    for basket in baskets:
        if basket.id in quotes:
            _Basket(grocer, promotions, basket, quotes[basket.id]).compare(found)
    return found


class _Basket:
    """One basket with its quote, read part by part."""

    def __init__(self, grocer: Grocer, promotions: Promotions, basket: Basket, quote: Mapping[str, Any]) -> None:
        self.grocer, self.promotions, self.basket = grocer, promotions, basket
        self.codes = promotions.codes_of(basket)
        self.coupons = {use["code"]: use["state"] for use in quote["coupons"]}
        self.seen = [self._parts(line, quoted) for line, quoted in zip(basket.lines, quote["lines"], strict=False)]

    def _parts(self, line: BasketLine, quoted: Mapping[str, Any]) -> dict[str, Seen]:
        ours: Counter[str] = Counter()
        for adjustment in quoted["adjustments"]:
            ours[adjustment["rule_id"].partition("-")[0]] += adjustment["given_minor"]
        return {
            "price": Seen(line.shelf_minor, quoted["gross_minor"]),
            SHELF: Seen(line.retail_minor, ours[SHELF]),
            COUPON: Seen(line.coupon_minor, ours[COUPON]),
            MATCH: Seen(line.match_minor, ours[MATCH]),
        }

    def compare(self, found: Comparison) -> None:
        """Add each line's parts, each under its kind."""
        kinds: set[str] = set()
        for line, parts in zip(self.basket.lines, self.seen, strict=True):
            of_line = {part: self.kind(part, line, parts) for part in PARTS}
            for part, kind in of_line.items():
                found.tallies.setdefault((part, kind), Tally()).add(self.basket, line, parts[part])
            kinds |= {kind for part, kind in of_line.items() if part != "price"}
            found.lines += 1
            found.same_lines += set(of_line.values()) == {SAME}
        found.baskets += 1
        discounts = [sum(parts[part].difference_minor for part in PARTS[1:]) for parts in self.seen]
        if sum(discounts) == 0:
            found.same_baskets += 1
        else:
            found.by_kinds[tuple(sorted(kinds - {SAME}))] += 1

    def kind(self, part: str, line: BasketLine, parts: Mapping[str, Seen]) -> str:
        """Why a part of a line is what it is on both sides."""
        seen = parts[part]
        if seen.difference_minor == 0:
            return SAME
        if is_fuel(self.grocer.products.get(line.product, {})):
            return FUEL
        if part in ("price", SHELF):
            return self._of_shelf(part, line, seen)
        return self._of_coupon(line, seen) if part == COUPON else self._of_match(line, parts)

    def _of_shelf(self, part: str, line: BasketLine, seen: Seen) -> str:
        shelf = self.promotions.shelves.get((self.basket.week, line.product))
        if shelf is None:
            return UNUSUAL
        total = line.shelf_minor if part == "price" else line.retail_minor
        if total % line.pieces:
            return ROUNDING if abs(seen.difference_minor) < line.pieces else UNEVEN
        if part == "price":
            return OTHER_PRICE
        return _reduction_kind(line, shelf, seen)

    def _fitting(self, line: BasketLine) -> list[CouponKey]:
        return [key for key in self.codes if line.product in self.promotions.coupons[key].products]

    def _of_coupon(self, line: BasketLine, seen: Seen) -> str:
        fitting = self._fitting(line)
        if not fitting:
            return UNRECORDED
        if seen.ours_minor == 0 and (why := self._why_not(fitting)) is not None:
            return why
        if len(fitting) > 1:
            return SEVERAL
        return self._of_one_coupon(fitting[0])

    def _of_one_coupon(self, key: CouponKey) -> str:
        """One coupon, compared over all lines it is for: it may be worth the same and stand elsewhere."""
        coupon = self.promotions.coupons[key]
        lines = [
            found[COUPON]
            for line, found in zip(self.basket.lines, self.seen, strict=True)
            if line.product in coupon.products
        ]
        grocer, ours = sum(seen.grocer_minor for seen in lines), sum(seen.ours_minor for seen in lines)
        if grocer in (0, ours):
            return ELSEWHERE if ours == grocer else NOT_TAKEN
        if ours < coupon.worth_minor:
            return ABOVE
        return REPEATED if grocer % ours == 0 else OTHER_WORTH

    def _why_not(self, fitting: Sequence[CouponKey]) -> str | None:
        """Why none of the coupons was given at all; None where one was."""
        if any(self.coupons.get(code_of(key)) == "applied" for key in fitting):
            return None
        campaigns = [self.promotions.campaigns[number] for _, number in fitting]
        if all(self.basket.household not in campaign.households for campaign in campaigns):
            return NOT_SENT
        if all(self.basket.week not in weeks_of(campaign) for campaign in campaigns):
            return OUTSIDE
        return ABOVE

    def _of_match(self, line: BasketLine, parts: Mapping[str, Seen]) -> str:
        if parts[COUPON].difference_minor or not self._fitting(line):
            return AS_COUPON
        seen = parts[MATCH]
        if seen.grocer_minor == 0:
            return NOT_MATCHED
        return MATCHED if seen.ours_minor == 0 else OTHER_MATCH


def _reduction_kind(line: BasketLine, shelf: Shelf, seen: Seen) -> str:
    if line.shelf_minor != shelf.price_minor * line.pieces:
        return OTHER_PRICE
    if seen.grocer_minor == 0:
        return NOT_REDUCED
    return REDUCED if seen.ours_minor == 0 else OTHER_REDUCTION


def totals(comparison: Comparison) -> dict[str, Seen]:
    """By part: what it comes to on both sides."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (part, _), tally in comparison.tallies.items():
        found[part][0] += tally.grocer_minor
        found[part][1] += tally.ours_minor
    return {part: Seen(*found[part]) for part in PARTS if part in found}
