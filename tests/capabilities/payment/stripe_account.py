"""A Stripe account in memory: every request is first checked by stripe-mock against Stripe's published description.

stripe-mock remembers nothing, so what was authorized, captured, cancelled and refunded is kept here, with Stripe's rules.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import stripe

BORN = 1_780_000_000


class Account(stripe.HTTPClient):
    """The transport of the `stripe` package. `broken` answers once with an error of its own; `refused` lists what stripe-mock refused."""

    name = "account"

    def __init__(self, base: str) -> None:
        super().__init__()
        self.mock = stripe.RequestsClient(timeout=10)
        self.base = base
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, tuple[str, tuple[Any, int, Mapping[str, str]]]] = {}
        self.requests: list[tuple[str, str]] = []
        self.broken: list[tuple[dict[str, Any], int]] = []
        self.numbers = itertools.count(1)

    def request(self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None) -> Any:
        path = urlsplit(url).path
        self.requests.append((method.upper(), path))
        if self.broken:
            body, status = self.broken.pop(0)
            return json.dumps({"error": body}), status, {}
        content, status, told = self.mock.request(method, url, headers, post_data)
        if status >= 400:
            return content, status, told
        key = (headers or {}).get("Idempotency-Key") if method.upper() == "POST" else None
        sent = f"{path} {post_data}"
        if key in self.answers:
            before, answer = self.answers[key]
            if before != sent:
                return self._error(400, "idempotency_error", "Keys are used with the same parameters.", None)
            return answer
        fixture = json.loads(content)
        query = {**_flat(post_data or ""), **_flat(urlsplit(url).query)}
        answer = self._do(method.upper(), path, query, fixture)
        if key is not None:
            self.answers[key] = (sent, answer)
        return answer

    def close(self) -> None:
        self.mock.close()

    def _do(self, method: str, path: str, sent: dict[str, str], fixture: dict[str, Any]) -> Any:
        if (method, path) == ("POST", "/v1/payment_intents"):
            return self._create(sent, fixture)
        if (method, path) == ("POST", "/v1/refunds"):
            return self._refund(sent, fixture)
        listed = {
            "/v1/payment_intents/search": self._with_key(sent.get("query", "")),
            "/v1/payment_intents": list(self.intents.values())[::-1],
            "/v1/refunds": [r for r in self.refunds.values() if r["payment_intent"] == sent.get("payment_intent")],
        }
        if path in listed:
            return self._ok({**fixture, "data": listed[path]})
        _, _, _, intent_id, *act = path.split("/")
        intent = self.intents.get(intent_id)
        if intent is None:
            return self._error(404, "invalid_request_error", "No such payment_intent.", "resource_missing")
        return self._ok(intent) if not act else self._change(intent, act[0], sent)

    def _create(self, sent: dict[str, str], fixture: dict[str, Any]) -> Any:
        number = next(self.numbers)
        intent = {
            **fixture,
            "id": f"pi_{number}",
            "created": BORN + number,
            "amount": int(sent["amount"]),
            "amount_capturable": 0,
            "amount_received": 0,
            "currency": sent["currency"],
            "metadata": _nested(sent, "metadata"),
            "last_payment_error": None,
            "canceled_at": None,
            "status": "requires_confirmation",
        }
        self.intents[intent["id"]] = intent
        if sent.get("confirm") != "true":
            return self._ok(intent)
        if sent["payment_method"] == "pm_card_chargeDeclined":
            error = {"code": "card_declined", "decline_code": "generic_decline", "type": "card_error"}
            intent |= {"status": "requires_payment_method", "last_payment_error": error}
            return json.dumps({"error": {**error, "message": "Declined.", "payment_intent": intent}}), 402, {}
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        return self._ok(intent)

    def _change(self, intent: dict[str, Any], act: str, sent: dict[str, str]) -> Any:
        allowed = {"capture": ("requires_capture",), "cancel": ("requires_capture", "requires_confirmation")}
        if intent["status"] not in allowed[act]:
            return self._error(400, "invalid_request_error", "Not in this state.", "payment_intent_unexpected_state")
        if act == "cancel":
            intent |= {"status": "canceled", "canceled_at": BORN + 500, "amount_capturable": 0}
        else:
            amount = int(sent["amount_to_capture"])
            if amount > intent["amount"]:
                return self._error(400, "invalid_request_error", "Too much.", "amount_too_large")
            intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
            intent["metadata"] = {**intent["metadata"], **_nested(sent, "metadata")}
        return self._ok(intent)

    def _refund(self, sent: dict[str, str], fixture: dict[str, Any]) -> Any:
        intent = self.intents[sent["payment_intent"]]
        gone = sum(r["amount"] for r in self.refunds.values() if r["payment_intent"] == intent["id"])
        if int(sent["amount"]) + gone > intent["amount_received"]:
            return self._error(400, "invalid_request_error", "Too much.", "charge_already_refunded")
        number = next(self.numbers)
        refund = {
            **fixture,
            "id": f"re_{number}",
            "created": BORN + number,
            "amount": int(sent["amount"]),
            "payment_intent": intent["id"],
            "metadata": _nested(sent, "metadata"),
            "status": "succeeded",
        }
        self.refunds[refund["id"]] = refund
        return self._ok(refund)

    def _with_key(self, query: str) -> list[dict[str, Any]]:
        found = re.fullmatch(r"metadata\['key'\]:'([^']+)'", query)
        return [one for one in self.intents.values() if found and one["metadata"].get("key") == found[1]]

    @staticmethod
    def _ok(body: dict[str, Any]) -> Any:
        return json.dumps(body), 200, {}

    @staticmethod
    def _error(status: int, kind: str, message: str, code: str | None) -> Any:
        return json.dumps({"error": {"type": kind, "message": message, "code": code}}), status, {}


def _flat(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text).items()}


def _nested(sent: dict[str, str], name: str) -> dict[str, str]:
    return {key[len(name) + 1 : -1]: value for key, value in sent.items() if key.startswith(f"{name}[")}
