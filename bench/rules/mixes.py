"""The rules and facts both engines are given: three mixes over the vocabulary of promotions, seeded.

`keyed` is what shops have: nearly every rule names a SKU, a brand or a seller, and adds a tier or ranges. `mixed` has
5 % of rules without any equality; `ranges` has only such.
"""

from __future__ import annotations

import random
from typing import Any

from rules.document import RuleSetDocument, document_from_json

MIXES = ("keyed", "mixed", "ranges")
TIERS = ("standard", "silver", "gold", "vip")

Condition = tuple[str, str, Any]

FIELDS = {
    "sku": "line.sku",
    "brand": "line.brand",
    "seller": "line.seller",
    "tier": "buyer.tier",
    "subtotal": "order.subtotal_minor",
    "quantity": "line.quantity",
    "weight": "order.weight_g",
}
"""Column of the table to fact of the contract."""


def conditions_of(mix: str, rules: int, seed: int = 7) -> list[list[Condition]]:
    """One list of (column, "eq" | "range", value) a rule."""
    chance = random.Random(f"{mix}-{rules}-{seed}")
    return [
        _ranges(chance) if mix == "ranges" or (mix == "mixed" and i % 20 == 0) else _keyed(chance, rules)
        for i in range(rules)
    ]


def _keyed(chance: random.Random, rules: int) -> list[Condition]:
    column = chance.choices(["sku", "brand", "seller"], weights=[70, 20, 10])[0]
    spread = {"sku": max(20, rules // 3), "brand": max(10, rules // 10), "seller": max(5, rules // 20)}[column]
    found: list[Condition] = [(column, "eq", f"{column}-{chance.randrange(spread)}")]
    if chance.random() < 0.5:
        found.append(("tier", "eq", chance.choice(TIERS)))
    if chance.random() < 0.7:
        low = chance.randrange(0, 60_000)
        found.append(("subtotal", "range", (low, low + chance.randrange(5_000, 60_000))))
    if chance.random() < 0.4:
        found.append(("quantity", "range", (chance.randrange(1, 6), None)))
    return found


def _ranges(chance: random.Random) -> list[Condition]:
    low, weight = chance.randrange(0, 105_000), chance.randrange(0, 22_000)
    found: list[Condition] = [
        ("subtotal", "range", (low, low + chance.randrange(1_000, 8_000))),
        ("weight", "range", (weight, weight + chance.randrange(500, 3_000))),
    ]
    if chance.random() < 0.5:
        found.append(("quantity", "range", (chance.randrange(1, 8), None)))
    return found


def facts_of(rules: int, count: int, seed: int = 11) -> list[dict[str, Any]]:
    """Columns of the table; each engine is given them in its own form."""
    chance = random.Random(f"{rules}-{seed}")
    return [
        {
            "sku": f"sku-{chance.randrange(max(20, rules // 3))}",
            "brand": f"brand-{chance.randrange(max(10, rules // 10))}",
            "seller": f"seller-{chance.randrange(max(5, rules // 20))}",
            "tier": chance.choice(TIERS),
            "subtotal": chance.randrange(0, 110_000),
            "quantity": chance.randrange(1, 10),
            "weight": chance.randrange(0, 24_000),
        }
        for _ in range(count)
    ]


def our_document(rows: list[list[Condition]]) -> RuleSetDocument:
    """The rules as a document of promotions, line grain."""
    rules = [
        {
            "id": f"r_{i}",
            "name": f"Rule {i}",
            "grain": "line",
            "stage": 20,
            "when": {"all": [_test(*condition) for condition in row]},
            "effects": [{"kind": "percent_off", "rate_bps": 500}],
        }
        for i, row in enumerate(rows)
    ]
    return document_from_json({"decision": "marketing.promotions", "rules": rules})


def _test(column: str, kind: str, value: Any) -> dict[str, Any]:
    if kind == "eq":
        return {"field": FIELDS[column], "op": "eq", "value": value}
    low, high = value
    if high is None:
        return {"field": FIELDS[column], "op": "gte", "value": low}
    return {"field": FIELDS[column], "op": "between", "value": [low, high]}


def our_facts(columns: dict[str, Any]) -> dict[str, Any]:
    """All facts of a line as pricing supplies them, not only those the rules ask about."""
    return {
        "order.gross_minor": columns["subtotal"],
        "order.discount_minor": 0,
        "order.quantity": columns["quantity"],
        "order.lines": 1,
        "order.currency": "CNY",
        "order.country": "CN",
        "order.channel": "web",
        "order.coupon_codes": (),
        "order.on_date": "2026-11-25",
        "order.weekday": "3",
        "order.hour": 12,
        "buyer.tags": (),
        "buyer.order_number": 2,
        "line.product": "product",
        "line.category": "food/tea",
        "line.tags": (),
        "line.unit_price_minor": 1_000,
        **{FIELDS[column]: value for column, value in columns.items()},
    }


def zen_content(rows: list[list[Condition]], hit_policy: str) -> dict[str, Any]:
    """The rules as a decision table of zen-engine."""
    used = [column for column in FIELDS if any(column == found for row in rows for found, _, _ in row)]
    table = {
        "hitPolicy": hit_policy,
        "inputs": [{"id": column, "name": column, "field": column} for column in used],
        "outputs": [{"id": "rule", "name": "rule", "field": "rule"}],
        "rules": [
            {"_id": str(i), "rule": str(i), **dict.fromkeys(used, ""), **{c: _cell(kind, v) for c, kind, v in row}}
            for i, row in enumerate(rows)
        ],
    }
    place = {"x": 0, "y": 0}
    return {
        "contentType": "application/vnd.gorules.decision",
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", "position": place},
            {"id": "table", "type": "decisionTableNode", "name": "table", "position": place, "content": table},
            {"id": "out", "type": "outputNode", "name": "out", "position": place},
        ],
        "edges": [
            {"id": "e1", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "e2", "sourceId": "table", "targetId": "out", "type": "edge"},
        ],
    }


def _cell(kind: str, value: Any) -> str:
    if kind == "eq":
        return f'"{value}"'
    low, high = value
    return f">= {low}" if high is None else f"[{low}..{high}]"
