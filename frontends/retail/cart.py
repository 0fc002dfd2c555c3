"""The cart: what the buyer has chosen, kept in a signed cookie of theirs. Prices are never in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer

COOKIE = "cart"
MOST_LINES = 40
"""As many as surely fit into a cookie."""
MOST_PIECES = 999
METHODS = ("sim_ok", "sim_late_2000", "sim_declined", "sim_timeout")


@dataclass(frozen=True, slots=True)
class Cart:
    """Pieces by sku in the order they were put in, and how the buyer wants to have and pay them."""

    pieces: tuple[tuple[str, int], ...] = ()
    coupons: tuple[str, ...] = ()
    delivery: str | None = None
    buyer: str | None = None
    method: str = METHODS[0]

    @property
    def count(self) -> int:
        return sum(count for _, count in self.pieces)

    def with_pieces(self, sku: str, count: int) -> Cart:
        """That many pieces of a sku; none takes the line out."""
        counted = dict(self.pieces)
        if count <= 0:
            counted.pop(sku, None)
        elif sku in counted or len(counted) < MOST_LINES:
            counted[sku] = min(count, MOST_PIECES)
        return replace(self, pieces=tuple(counted.items()))

    def adding(self, sku: str, count: int) -> Cart:
        return self.with_pieces(sku, dict(self.pieces).get(sku, 0) + count)

    def emptied(self) -> Cart:
        """After buying: the buyer and their habits stay."""
        return replace(self, pieces=(), coupons=())

    def as_request(self, currency: str, expected_total_minor: int | None = None) -> dict[str, Any]:
        """The body of a quote; of a checkout with the total the buyer has seen."""
        body: dict[str, Any] = {
            "currency": currency,
            "lines": [{"sku": sku, "quantity": count} for sku, count in self.pieces],
            "coupon_codes": list(self.coupons),
            "payment_method": self.method,
            "channel": "web",
        }
        if self.delivery:
            body["delivery_sku"] = self.delivery
        if self.buyer:
            body["buyer_id"] = self.buyer
        if expected_total_minor is not None:
            body["expected_total_minor"] = expected_total_minor
        return body


def idempotency_key(attempt: str, body: Mapping[str, Any]) -> str:
    """The same attempt at the same cart is the same purchase: a double click, a reload, a lost answer buy once."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return f"shop-{attempt}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


class Jar:
    """Reads and writes signed cookies; what was tampered with counts as empty."""

    def __init__(self, secret: str) -> None:
        self._cart = URLSafeSerializer(secret, salt="cart")
        self._orders = URLSafeSerializer(secret, salt="orders")

    def read_cart(self, text: str | None) -> Cart:
        kept = self._loads(self._cart, text)
        if not isinstance(kept, dict):
            return Cart()
        try:
            return Cart(
                pieces=tuple((str(sku), int(count)) for sku, count in kept["p"]),
                coupons=tuple(map(str, kept["c"])),
                delivery=kept["d"],
                buyer=kept["b"],
                method=kept["m"] if kept["m"] in METHODS else METHODS[0],
            )
        except (KeyError, TypeError, ValueError):
            return Cart()

    def write_cart(self, cart: Cart) -> str:
        kept = {"p": cart.pieces, "c": cart.coupons, "d": cart.delivery, "b": cart.buyer, "m": cart.method}
        return str(self._cart.dumps(kept))

    def read_orders(self, text: str | None) -> list[str]:
        """The orders and processes made with this browser: nobody reads another one's."""
        kept = self._loads(self._orders, text)
        return [str(order) for order in kept] if isinstance(kept, list) else []

    def write_orders(self, orders: list[str]) -> str:
        return str(self._orders.dumps(orders[-20:]))

    @staticmethod
    def _loads(serializer: URLSafeSerializer, text: str | None) -> Any:
        try:
            return serializer.loads(text or "")
        except BadSignature:
            return None
