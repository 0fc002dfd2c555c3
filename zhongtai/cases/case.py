"""A case: a cart, a rule set as a real document, and what is expected of the quote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from capabilities.kernel.errors import InvalidError
from capabilities.marketing.contract import (
    PROMOTIONS,
    Cart,
    CartBuyer,
    CartDelivery,
    CartLine,
    CouponState,
    GiftChoice,
    GiftOffer,
    PricingOptions,
)
from capabilities.marketing.pricing import normal_code
from rules.document import RuleSetDocument, document_from_json
from zhongtai.cases.conditions import read_condition, read_effects
from zhongtai.cases.expecting import Expectation, read_expectations
from zhongtai.cases.figures import FIGURE_KINDS, FigureCase, read_figures
from zhongtai.cases.returns import read_returns
from zhongtai.cases.spot import CaseError, Spot, read_file

SHARED = ("currency", "prices_include_tax", "options", "groups", "rules", "cart", "coupons")
Row = TypeVar("Row", bound=BaseModel)
DEFAULT_AT = "2026-11-25T10:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Case:
    """One case, ready to run."""

    name: str
    file: Path
    line: int
    cart: Cart
    coupons: Mapping[str, CouponState]
    document: RuleSetDocument
    expectations: tuple[Expectation, ...]
    returns: tuple[Mapping[str, int], ...] = ()
    """What is given back afterwards, one return after the other: units by line."""


def read_cases(file: Path) -> Sequence[Case | FigureCase]:
    """All cases of a file; `CaseError` says what cannot be read, where, and how to mend it.

    A file of another `kind` than pricing holds cases of that kind.
    """
    whole = read_file(file)
    kind = whole.pairs().get("kind")
    if kind is not None and kind.text() != "pricing":
        return read_figures(whole, kind.choice(FIGURE_KINDS))
    top = whole.mapping(["kind", "name", "about", "cases", *SHARED])
    if "cases" not in top:
        raise Spot("", file, 1, "cases").wrong("there are no cases.", "Write `cases:` with at least one case.")
    return [_read_case(spot, top) for spot in top["cases"].items()]


def _read_case(spot: Spot, top: Mapping[str, Spot]) -> Case:
    own = spot.mapping(["name", "about", "expect", "returns", *SHARED])
    shared = {key: top[key] for key in SHARED if key in top} | own
    for required in ("name", "cart", "expect"):
        if required not in shared:
            raise spot.wrong(f"the case has no {required}.", f"Add `{required}:`.")
    currency = shared["currency"].text() if "currency" in shared else "EUR"
    included = "prices_include_tax" in shared and shared["prices_include_tax"].flag()
    try:
        cart = _read_cart(shared["cart"], currency, included=included)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise shared["cart"].wrong(f"{where}: {first['msg']}.", "Correct the cart.") from None
    document = _read_document(spot, shared, top, currency)
    coupons = _read_coupons(shared["coupons"]) if "coupons" in shared else {}
    expectations = read_expectations(shared["expect"], cart, document)
    returns = read_returns(shared["returns"], cart) if "returns" in shared else ()
    return Case(shared["name"].text(), spot.file, spot.line, cart, coupons, document, expectations, returns)


def _read_coupons(spot: Spot) -> dict[str, CouponState]:
    """States of coupons; a code that a rule asks for is usable without being named here."""
    return {
        normal_code(code): CouponState.model_validate(
            {"code": normal_code(code), "state": state.choice(["usable", "unknown", "inactive", "used_up"])}
        )
        for code, state in spot.pairs().items()
    }


# --- the cart ---------------------------------------------------------------------------------------------------


def _read_cart(spot: Spot, currency: str, *, included: bool) -> Cart:
    found = spot.mapping(
        [
            *("at", "time_zone", "country", "channel", "scenario", "payment_method", "buyer", "coupons"),
            *("lines", "delivery", "gifts", "gift_choices"),
        ]
    )
    at = found["at"].time() if "at" in found else Spot(DEFAULT_AT, spot.file, spot.line, "at").time()
    texts = {key: found[key].text() for key in ("country", "channel", "scenario", "payment_method") if key in found}
    if "lines" not in found:
        raise spot.wrong("the cart has no lines.", "Add `lines:` with at least one line.")
    return Cart(
        business="cases",
        currency=currency,
        at=at,
        time_zone=_zone(found["time_zone"]) if "time_zone" in found else "UTC",
        prices_include_tax=included,
        buyer=_read_buyer(found["buyer"], currency) if "buyer" in found else CartBuyer(),
        coupon_codes=tuple(code.text() for code in found["coupons"].items()) if "coupons" in found else (),
        lines=tuple(_read_line(row, i, currency) for i, row in enumerate(found["lines"].rows(), start=1)),
        deliveries=tuple(
            _read_delivery(row, i, currency)
            for i, row in enumerate(found["delivery"].rows() if "delivery" in found else [], start=1)
        ),
        gift_offers=tuple(_read_gift(row, currency) for row in (found["gifts"].rows() if "gifts" in found else [])),
        gift_choices=_read_choices(found.get("gift_choices")),
        **texts,
    )


def _read_gift(row: Spot, currency: str) -> GiftOffer:
    found = row.mapping(["sku", "price", "tax", "stock"])
    values = {
        "sku": found["sku"].text(),
        "unit_price_minor": found["price"].money(currency),
        "tax_rate_bps": found["tax"].rate() if "tax" in found else 0,
        "available_units": found["stock"].whole() if "stock" in found else None,
    }
    return _valid(GiftOffer, values, row, found)


def _read_choices(spot: Spot | None) -> tuple[GiftChoice, ...]:
    """Which gift was chosen, by the number of the rule in the list (`r1`, `r2`, …)."""
    chosen = {} if spot is None else spot.pairs()
    return tuple(GiftChoice(rule_id=rule_id, sku=sku.text()) for rule_id, sku in chosen.items())


def _zone(spot: Spot) -> str:
    try:
        return str(ZoneInfo(spot.text()))
    except (KeyError, ValueError):
        raise spot.wrong(f"there is no time zone {spot.text()!r}.", "Write a name such as Europe/Berlin.") from None


def _read_buyer(spot: Spot, currency: str) -> CartBuyer:
    found = spot.mapping(
        ["id", "tier", "tags", "segments", "order_number", "first_order_at", "lifetime", "birthday", "points"]
    )
    return CartBuyer(
        id=found["id"].text() if "id" in found else None,
        tier=found["tier"].text() if "tier" in found else "standard",
        tags=_texts(found.get("tags")),
        segments=_texts(found.get("segments")),
        order_number=found["order_number"].whole() if "order_number" in found else 1,
        first_order_at=found["first_order_at"].time() if "first_order_at" in found else None,
        lifetime_minor=found["lifetime"].money(currency) if "lifetime" in found else 0,
        birthday=found["birthday"].time().date() if "birthday" in found else None,
        points=found["points"].whole() if "points" in found else 0,
    )


_LINE_COLUMNS = ("id", "sku", "quantity", "price", "list_price", "floor", "tax", "weight_g")


def _read_line(row: Spot, number: int, currency: str) -> CartLine:
    found = row.mapping([*_LINE_COLUMNS, "product", "category", "brand", "seller", "tags", "attributes"])
    if "sku" not in found or "price" not in found:
        raise row.wrong("a line has a sku and a price.", "Add the missing one.")
    texts = {key: found[key].text() for key in ("product", "category", "brand", "seller") if key in found}
    values = {
        "id": found["id"].text() if "id" in found else f"l{number}",
        "sku": found["sku"].text(),
        "quantity": found["quantity"].whole() if "quantity" in found else 1,
        "unit_price_minor": found["price"].money(currency),
        "list_price_minor": found["list_price"].money(currency) if "list_price" in found else None,
        "floor_price_minor": found["floor"].money(currency) if "floor" in found else 0,
        "tax_rate_bps": found["tax"].rate() if "tax" in found else 0,
        "weight_g": found["weight_g"].whole() if "weight_g" in found else 0,
        "tags": _texts(found.get("tags")),
        "attributes": dict(text.split("=", 1) for text in _texts(found.get("attributes"))),
    }
    return _valid(CartLine, values | texts, row, found)


_COLUMN_OF = {
    "unit_price_minor": "price",
    "price_minor": "price",
    "list_price_minor": "list_price",
    "floor_price_minor": "floor",
    "tax_rate_bps": "tax",
}


def _valid(kind: type[Row], values: Mapping[str, Any], row: Spot, cells: Mapping[str, Spot]) -> Row:
    """The row in marketing's type; what that refuses is told at the cell it stands in."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        cell = cells.get(_COLUMN_OF.get(name, name), row)
        raise cell.wrong(f"{first['msg'].removeprefix('Input ')}.", "Correct this value.") from None


def _read_delivery(row: Spot, number: int, currency: str) -> CartDelivery:
    found = row.mapping(["id", "sku", "price", "tax"])
    if "sku" not in found or "price" not in found:
        raise row.wrong("a delivery has a sku and a price.", "Add the missing one.")
    values = {
        "id": found["id"].text() if "id" in found else f"d{number}",
        "sku": found["sku"].text(),
        "price_minor": found["price"].money(currency),
        "tax_rate_bps": found["tax"].rate() if "tax" in found else 0,
    }
    return _valid(CartDelivery, values, row, found)


def _texts(spot: Spot | None) -> tuple[str, ...]:
    """A list of texts, or several in one cell with commas between them."""
    if spot is None:
        return ()
    return tuple(part.strip() for item in spot.items() for part in item.text().split(",") if part.strip())


# --- the rules --------------------------------------------------------------------------------------------------


def _read_document(spot: Spot, shared: Mapping[str, Spot], top: Mapping[str, Spot], currency: str) -> RuleSetDocument:
    options: dict[str, Any] = {}
    for level in (top.get("options"), shared.get("options")):
        if level is not None:
            options |= {key: _option(key, item) for key, item in level.mapping(PricingOptions.model_fields).items()}
    try:
        PricingOptions.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        raise shared["options"].wrong(f"{first['loc'][0]}: {first['msg']}.", "Choose one of those.") from None
    own_stages = {stage["en"]: stage["number"] for stage in options.get("stages", ())}
    rules = shared["rules"].items() if "rules" in shared else []
    ids = {rule.pairs()["name"].text(): f"r{i}" for i, rule in enumerate(rules, start=1) if "name" in rule.pairs()}
    body = {
        "decision": PROMOTIONS.name,
        "name": {"en": shared["name"].text(), "zh": ""},
        "options": options,
        "groups": _read_groups(shared["groups"]) if "groups" in shared else {},
        "rules": [_read_rule(rule, i, ids, currency, own_stages) for i, rule in enumerate(rules, start=1)],
    }
    try:
        return document_from_json(body)
    except CaseError:
        raise
    except InvalidError as error:
        raise spot.wrong(f"{error.details.get('field', 'rules')}: {error.message}", error.mend or "Mend it.") from None


def _option(name: str, spot: Spot) -> Any:
    """An option as the document keeps it; own stages are written `{15: early}`."""
    if name == "stages":
        return [{"number": int(number), "en": item.text()} for number, item in spot.pairs().items()]
    return spot.whole() if name == "repeat_most" else spot.text()


def _read_groups(spot: Spot) -> dict[str, dict[str, str]]:
    groups = {}
    for name, group in spot.pairs().items():
        found = group.mapping(["mode", "best_per"])
        groups[name] = {
            "mode": found["mode"].choice(["stack", "best", "first", "exclusive"]) if "mode" in found else "stack",
            "best_per": found["best_per"].choice(["order", "line"]) if "best_per" in found else "order",
        }
    return groups


_RULE_FIELDS = (
    *("name", "on", "stage", "when", "then", "priority", "group"),
    *("exclusive", "excludes", "coupon", "enabled", "window", "otherwise", "campaign"),
)


def _read_rule(
    spot: Spot, number: int, ids: Mapping[str, str], currency: str, own_stages: Mapping[str, int]
) -> dict[str, Any]:
    found = spot.mapping(_RULE_FIELDS)
    if "then" not in found:
        raise spot.wrong("the rule does nothing.", "Add `then:` with an effect.")
    grain = {"order": "order", "lines": "line"}[found["on"].choice(["order", "lines"]) if "on" in found else "order"]
    stages = {en: number for number, (en, _) in PROMOTIONS.stages.items()} | dict(own_stages)
    body: dict[str, Any] = {
        "id": f"r{number}",
        "name": found["name"].text() if "name" in found else f"rule {number}",
        "grain": grain,
        "stage": stages[found["stage"].choice(stages)] if "stage" in found else 30,
        "effects": read_effects(found["then"], currency),
        "excludes": [ids[item.choice(ids)] for item in (found["excludes"].items() if "excludes" in found else [])],
    }
    if "when" in found:
        body["when"] = read_condition(found["when"], grain, currency)
    if "priority" in found:
        body["priority"] = found["priority"].whole()
    if "exclusive" in found:
        body["exclusive"] = found["exclusive"].choice(["no", "stage", "order"])
    if "enabled" in found:
        body["enabled"] = found["enabled"].flag()
    if "window" in found:
        body["window"] = _read_window(found["window"])
    if "otherwise" in found:
        body["otherwise"] = read_effects(found["otherwise"], currency)
    return body | {key: found[key].text() for key in ("group", "coupon", "campaign") if key in found}


def _read_window(spot: Spot) -> dict[str, Any]:
    found = spot.mapping(["from", "until", "zone", "weekdays", "hours"])
    window: dict[str, Any] = {key: found[key].text() for key in ("from", "until", "zone") if key in found}
    return window | {key: [i.whole() for i in found[key].items()] for key in ("weekdays", "hours") if key in found}
