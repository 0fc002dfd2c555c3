"""What the grocer promised: campaigns and whom they were sent to, coupons and what they are for, and the usual prices.

The data does not say what a shelf asked in a week, nor what a coupon is worth; both are read off what happened. A shelf is
the most usual pair of price and reduction of a product in a week, over all stores. A coupon's worth is the most usual pair
of discount and match among the lines that only it explains; where nobody ever redeemed it, among the lines of its
products; where those had no coupon either, among all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from zhongtai.grocer import Basket, Grocer, day_of, is_fuel, moment_of, read_table

CouponKey = tuple[int, int]
"""A coupon's number, and its campaign: the same coupon may be sent with several."""


@dataclass(frozen=True, slots=True)
class GrocerCampaign:
    """A campaign, its days (both included) and the households it was sent to."""

    id: int
    type: str
    begins: date
    ends: date
    households: frozenset[int]


@dataclass(frozen=True, slots=True)
class GrocerCoupon:
    """A coupon of a campaign: what it is for, what it is worth, and what the shop adds."""

    key: CouponKey
    products: frozenset[int]
    worth_minor: int
    match_minor: int
    seen: int
    """How many lines tell its worth; 0: it is a guess."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a shelf usually asked for a piece of a product in a week, and how much less the shop's own reduction made it."""

    price_minor: int
    reduction_minor: int


@dataclass(slots=True)
class Promotions:
    """Everything that was promised; `redeemed` by household and day, `shelves` by week and product."""

    campaigns: dict[int, GrocerCampaign] = field(default_factory=dict)
    coupons: dict[CouponKey, GrocerCoupon] = field(default_factory=dict)
    redeemed: dict[tuple[int, date], tuple[CouponKey, ...]] = field(default_factory=dict)
    shelves: dict[tuple[int, int], Shelf] = field(default_factory=dict)

    def campaigns_of(self, household: int) -> list[int]:
        """The campaigns that were sent to a household."""
        return sorted(number for number, campaign in self.campaigns.items() if household in campaign.households)

    def codes_of(self, basket: Basket) -> tuple[CouponKey, ...]:
        """What the household redeemed that day, as far as this basket has something it is for; each once."""
        products = {line.product for line in basket.lines}
        found = self.redeemed.get((basket.household, day_of(basket.at)), ())
        return tuple(sorted({key for key in found if products & self.coupons[key].products}))


def read_promises() -> Promotions:
    """Campaigns, coupons and redemptions; what coupons are worth is learned from the lines that had one."""
    sent: dict[int, set[int]] = defaultdict(set)
    for row in read_table("campaigns", ["campaign_id", "household_id"]).to_pylist():
        sent[row["campaign_id"]].add(row["household_id"])
    found = Promotions()
    for row in read_table(
        "campaign_descriptions", ["campaign_id", "campaign_type", "start_date", "end_date"]
    ).to_pylist():
        number = row["campaign_id"]
        days = (row["start_date"].date(), row["end_date"].date())
        found.campaigns[number] = GrocerCampaign(number, row["campaign_type"], *days, frozenset(sent[number]))
    redeemed: dict[tuple[int, date], list[CouponKey]] = defaultdict(list)
    for row in read_table(
        "coupon_redemptions", ["household_id", "coupon_upc", "campaign_id", "redemption_date"]
    ).to_pylist():
        key = (row["coupon_upc"], row["campaign_id"])
        redeemed[row["household_id"], row["redemption_date"].date()].append(key)
    found.redeemed = {when: tuple(sorted(keys)) for when, keys in redeemed.items()}
    products: dict[CouponKey, set[int]] = defaultdict(set)
    for row in read_table("coupons", ["coupon_upc", "product_id", "campaign_id"]).to_pylist():
        products[row["coupon_upc"], row["campaign_id"]].add(row["product_id"])
    found.coupons = worths(products, found.redeemed, _lines_with_coupon())
    return found


@dataclass(frozen=True, slots=True)
class CouponLine:
    """A line that had a coupon."""

    household: int
    day: date
    product: int
    coupon_minor: int
    match_minor: int


def _lines_with_coupon() -> Iterable[CouponLine]:
    from pyarrow import compute  # a development package: the product itself never reads these files

    columns = ["household_id", "product_id", "coupon_disc", "coupon_match_disc", "transaction_timestamp"]
    sold = read_table("transactions", columns)
    for row in sold.filter(compute.greater(sold["coupon_disc"], 0)).to_pylist():
        yield CouponLine(
            row["household_id"],
            day_of(moment_of(row["transaction_timestamp"])),
            row["product_id"],
            round(row["coupon_disc"] * 100),
            round(row["coupon_match_disc"] * 100),
        )


def worths(
    products: Mapping[CouponKey, set[int]],
    redeemed: Mapping[tuple[int, date], tuple[CouponKey, ...]],
    lines: Iterable[CouponLine],
) -> dict[CouponKey, GrocerCoupon]:
    """What each coupon is worth, by the lines that only it explains, else by those of its products, else by all."""
    of_product: dict[int, list[CouponKey]] = defaultdict(list)
    for key, numbers in products.items():
        for number in numbers:
            of_product[number].append(key)
    alone: dict[CouponKey, Counter[tuple[int, int]]] = defaultdict(Counter)
    alike: dict[CouponKey, Counter[tuple[int, int]]] = defaultdict(Counter)
    everywhere: Counter[tuple[int, int]] = Counter()
    for line in lines:
        worth = (line.coupon_minor, line.match_minor)
        everywhere[worth] += 1
        fitting = of_product.get(line.product, [])
        for key in fitting:
            alike[key][worth] += 1
        explains = set(redeemed.get((line.household, line.day), ())) & set(fitting)
        if len(explains) == 1:
            alone[explains.pop()][worth] += 1
    found = {}
    for key in sorted(products):
        tally = alone.get(key) or alike.get(key) or everywhere
        found[key] = GrocerCoupon(
            key, frozenset(products[key]), *most_usual(tally), sum(alone.get(key, Counter()).values())
        )
    return found


def most_usual(tally: Mapping[tuple[int, int], int]) -> tuple[int, int]:
    """What was counted most often; of equals the smallest."""
    return min(tally, key=lambda what: (-tally[what], what))


def read_shelves(grocer: Grocer) -> dict[tuple[int, int], Shelf]:
    """The shelves of the weeks and products that driven baskets name, from all that was sold then."""
    import pyarrow as pa  # a development package: the product itself never reads these files
    from pyarrow import compute

    wanted = {(basket.week, line.product) for basket in grocer.driven for line in basket.lines}
    names = ["week", "product_id", "quantity", "sales_value", "retail_disc", "coupon_match_disc"]
    sold = read_table("transactions", names)
    products = pa.array(sorted({product for _, product in wanted}))
    tally: dict[tuple[int, int], Counter[tuple[int, int]]] = defaultdict(Counter)
    for row in sold.filter(compute.is_in(sold["product_id"], value_set=products)).to_pylist():
        where = (row["week"], row["product_id"])
        if where in wanted and (seen := _a_piece(row, grocer.products.get(row["product_id"], {}))) is not None:
            tally[where][seen] += 1
    return {where: Shelf(*most_usual(seen)) for where, seen in sorted(tally.items())}


def _a_piece(row: Mapping[str, Any], product: dict[str, Any]) -> tuple[int, int] | None:
    """Price and reduction of one piece; None where they do not divide, or nothing was sold."""
    pieces = 1 if is_fuel(product) and row["quantity"] > 0 else int(row["quantity"])
    if pieces <= 0:
        return None
    received, retail, match = (
        max(0, round(row[name] * 100)) for name in ("sales_value", "retail_disc", "coupon_match_disc")
    )
    shelf = received + retail + match
    return None if shelf % pieces or retail % pieces else (shelf // pieces, retail // pieces)
