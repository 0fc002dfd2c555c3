"""The cart: what the buyer has chosen, kept in a signed cookie of theirs. Prices are never in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastapi import Request

from frontends.kit.jar import Jar
from frontends.kit.ordering import METHODS

COOKIE = "cart"
MOST_LINES = 40
"""As many as surely fit into a cookie."""
MOST_PIECES = 999


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


def read_cart(request: Request) -> Cart:
    """The cart of the browser; an empty one where its cookie is none of ours."""
    jar: Jar = request.app.state.jar
    kept = jar.read(request, COOKIE)
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


def kept_cart(cart: Cart) -> dict[str, Any]:
    """The cart as its cookie holds it."""
    return {"p": cart.pieces, "c": cart.coupons, "d": cart.delivery, "b": cart.buyer, "m": cart.method}
