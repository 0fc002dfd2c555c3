"""What a case expects of a quote, and what the quote has in that place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from capabilities.kernel.money import Money
from capabilities.marketing.contract import Cart, CouponUse, Quote, RuleOutcome
from capabilities.marketing.pricing import normal_code
from rules.document import RuleSetDocument
from zhongtai.cases.spot import Spot

LINE_AMOUNTS = ("gross", "discount", "net", "tax", "total")
ORDER_AMOUNTS = {
    "goods": "goods_gross_minor",
    "discount": "discount_minor",
    "delivery": "delivery_minor",
    "fee": "fee_minor",
    "tax": "tax_minor",
    "total": "total_minor",
}
COLUMNS = {"discounts": "discount", "nets": "net", "taxes": "tax", "totals": "total"}
COUPON_STATES = get_args(CouponUse.model_fields["state"].annotation)
SAID = ("gifts", "rewards", "messages", "hints", "fees")
"""What a quote says besides amounts, each as a list of short texts."""

OUTCOMES = get_args(RuleOutcome.model_fields["outcome"].annotation)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One amount (minor units) or word the quote must have; `of` and `column` say where the quote keeps it."""

    kind: Literal["order", "line", "rule", "coupon", "outcome", "said", "refund"]
    of: str
    column: str
    label: str
    wanted: str | int
    line: int


@dataclass(frozen=True, slots=True)
class Compared:
    """An expectation beside what was found, as people read them."""

    label: str
    line: int
    wanted: str
    found: str

    @property
    def is_equal(self) -> bool:
        return self.wanted == self.found


def read_expectations(spot: Spot, cart: Cart, document: RuleSetDocument) -> tuple[Expectation, ...]:
    """Everything the case expects; a figure about a line or rule that does not exist is refused."""
    known = [*ORDER_AMOUNTS, *COLUMNS, "lines", "deliveries", "by_rule", "coupons", "outcomes", *SAID, "refunds"]
    found = spot.mapping(known)
    reader = _Reader(cart, document)
    expected = [
        *(
            Expectation("order", "", key, key, found[key].money(cart.currency), found[key].line)
            for key in ORDER_AMOUNTS
            if key in found
        ),
        *(one for key, column in COLUMNS.items() if key in found for one in reader.column(found[key], column)),
    ]
    for key, ids in (("lines", reader.goods), ("deliveries", reader.deliveries)):
        if key in found:
            expected.extend(reader.table(found[key], ids))
    if "by_rule" in found:
        expected.extend(reader.by_rule(found["by_rule"]))
    if "coupons" in found:
        expected.extend(
            Expectation("coupon", normal_code(code), "", f"coupon {code}", state.choice(COUPON_STATES), state.line)
            for code, state in found["coupons"].pairs().items()
        )
    if "outcomes" in found:
        expected.extend(
            Expectation("outcome", reader.rule_id(state, name), "", f"rule {name}", state.choice(OUTCOMES), state.line)
            for name, state in found["outcomes"].pairs().items()
        )
    expected.extend(
        Expectation(
            "said", key, "", key, "; ".join(item.text() for item in found[key].items()) or "none", found[key].line
        )
        for key in SAID
        if key in found
    )
    if "refunds" in found:
        expected.extend(
            Expectation("refund", str(i), "", f"return {i + 1}", item.money(cart.currency), item.line)
            for i, item in enumerate(found["refunds"].items())
        )
    if not expected:
        raise spot.wrong("nothing is expected.", "Expect at least a total.")
    return tuple(expected)


class _Reader:
    """Knows the case's lines and rules by the names an analyst gave them."""

    def __init__(self, cart: Cart, document: RuleSetDocument) -> None:
        self.currency = cart.currency
        self.goods = [(line.id, line.sku) for line in cart.lines]
        self.deliveries = [(delivery.id, delivery.sku) for delivery in cart.deliveries]
        self.rules = {rule.name: rule.id for rule in document.rules}

    def column(self, spot: Spot, column: str) -> Iterator[Expectation]:
        """One amount for each line of goods, in the order of the cart."""
        amounts = spot.items()
        self._require_all(spot, len(amounts), len(self.goods))
        for amount, (line_id, sku) in zip(amounts, self.goods, strict=True):
            wanted = amount.money(self.currency)
            yield Expectation("line", line_id, column, f"{column} of {sku}", wanted, amount.line)

    def table(self, spot: Spot, ids: list[tuple[str, str]]) -> Iterator[Expectation]:
        """A row for each line, in the order of the cart."""
        rows = spot.rows()
        self._require_all(spot, len(rows), len(ids))
        for row, (line_id, sku) in zip(rows, ids, strict=True):
            cells = row.mapping(["sku", *LINE_AMOUNTS])
            if "sku" in cells and cells["sku"].text() != sku:
                raise cells["sku"].wrong(
                    f"this row is about {cells['sku'].text()}, the cart has {sku} here.",
                    "Write the rows in the order of the cart's lines.",
                )
            for column in LINE_AMOUNTS:
                if column in cells:
                    wanted = cells[column].money(self.currency)
                    yield Expectation("line", line_id, column, f"{column} of {sku}", wanted, cells[column].line)

    def by_rule(self, spot: Spot) -> Iterator[Expectation]:
        """A row for each rule: what it took off which line; columns are skus or ids of lines."""
        names = {sku: line_id for line_id, sku in (*self.goods, *self.deliveries)}
        names |= {line_id: line_id for line_id, _ in (*self.goods, *self.deliveries)}
        for row in spot.rows():
            cells = row.mapping(["rule", *names])
            if "rule" not in cells:
                raise row.wrong("the row names no rule.", "Add the column `rule`.")
            rule = cells["rule"].text()
            rule_id = self.rule_id(cells["rule"], rule)
            for name, cell in cells.items():
                if name != "rule":
                    wanted = cell.money(self.currency)
                    yield Expectation("rule", rule_id, names[name], f"{rule} on {name}", wanted, cell.line)

    def rule_id(self, spot: Spot, name: str) -> str:
        if name not in self.rules:
            raise spot.wrong(f"there is no rule {name!r}.", f"Rules of this case: {', '.join(self.rules)}.")
        return self.rules[name]

    def _require_all(self, spot: Spot, found: int, wanted: int) -> None:
        if found != wanted:
            raise spot.wrong(
                f"{found} are given, the cart has {wanted}.", "Expect one for each line, in the same order."
            )


def compare(expectations: Iterable[Expectation], quote: Quote, refunds: Sequence[int] = ()) -> list[Compared]:
    """Every expectation beside what the quote has, and what the returns of the case gave back."""
    said = said_by(quote)
    found = {("order", "", key): getattr(quote, name) for key, name in ORDER_AMOUNTS.items()}
    for line in quote.lines:
        found |= {("line", line.id, column): getattr(line, f"{column}_minor") for column in LINE_AMOUNTS}
    words: dict[tuple[str, str], str] = {("coupon", use.code): use.state for use in quote.coupons}
    words |= {("outcome", outcome.rule_id): outcome.outcome for outcome in quote.outcomes}
    by_rule = _given_by_rule(quote)
    compared = []
    for one in expectations:
        if one.kind in ("coupon", "outcome"):
            compared.append(
                Compared(one.label, one.line, str(one.wanted), str(words.get((one.kind, one.of), "did not apply")))
            )
            continue
        if one.kind == "said":
            compared.append(Compared(one.label, one.line, str(one.wanted), "; ".join(said[one.of]) or "none"))
            continue
        if one.kind == "refund":
            place = int(one.of)
            amount = refunds[place] if place < len(refunds) else 0
        else:
            amount = _amount(one, found, by_rule)
        compared.append(
            Compared(
                one.label,
                one.line,
                Money(int(one.wanted), quote.currency).decimal(),
                Money(amount, quote.currency).decimal(),
            )
        )
    return compared


def _amount(one: Expectation, found: Mapping[tuple[str, str, str], int], by_rule: Mapping[tuple[str, str], int]) -> int:
    return by_rule.get((one.of, one.column), 0) if one.kind == "rule" else found[(one.kind, one.of, one.column)]


def said_by(quote: Quote) -> dict[str, list[str]]:
    """Gifts, promises, messages, hints and surcharges of a quote as short texts."""

    def money(minor: int) -> str:
        return Money(minor, quote.currency).decimal()

    return {
        "gifts": [
            f"{gift.units} {gift.chosen}" if gift.chosen else f"{gift.units} of {', '.join(gift.skus)}"
            for gift in quote.gifts
        ],
        "rewards": [
            {
                "points": f"{one.points} points",
                "cashback": f"{money(one.amount_minor)} back",
                "coupon": f"{one.units} of {one.pool}",
                "tag": f"tag {one.text}",
                "hold": f"hold: {one.text}",
            }[one.kind]
            for one in quote.rewards
        ],
        "messages": [one.en for one in quote.messages],
        "hints": [one.en for one in quote.hints],
        "fees": [f"{money(one.gross_minor)}" for one in quote.lines if one.kind == "fee"],
    }


def _given_by_rule(quote: Quote) -> Mapping[tuple[str, str], int]:
    given: dict[tuple[str, str], int] = {}
    for line in quote.lines:
        for adjustment in line.adjustments:
            key = (adjustment.rule_id, line.id)
            given[key] = given.get(key, 0) + adjustment.given_minor
    return given
