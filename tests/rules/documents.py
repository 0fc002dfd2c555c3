"""Small documents for tests of rules."""

from __future__ import annotations

from typing import Any

from rules.document import RuleSetDocument, document_from_json

PROMOTIONS = "marketing.promotions"
RISK = "transaction.risk"


def asks(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op} if value is None else {"field": field, "op": op, "value": value}


SPEND_200 = asks("order.subtotal_minor", "gte", 20_000)
TEN_PERCENT = {"kind": "percent_off", "rate_bps": 1_000}


def a_rule(rule_id: str = "r_1", **parts: Any) -> dict[str, Any]:
    return {"id": rule_id, "name": f"Rule {rule_id}", "when": SPEND_200, "effects": [TEN_PERCENT], **parts}


def a_document(*rules: dict[str, Any], decision: str = PROMOTIONS, **parts: Any) -> RuleSetDocument:
    name = {"en": "Promotions", "zh": "促销"}
    return document_from_json({"decision": decision, "name": name, "rules": list(rules or (a_rule(),)), **parts})
