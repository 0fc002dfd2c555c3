"""Signed cookies: what a browser keeps for itself and cannot change unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

KEPT_S = 30 * 24 * 3600
MOST_ORDERS = 20
ORDERS = "orders"


class Jar:
    """Reads and writes signed cookies; what was tampered with counts as empty."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def loads(self, name: str, text: str | None) -> Any:
        """What a cookie of that name holds; None where there is none, or not one of ours."""
        try:
            return URLSafeSerializer(self._secret, salt=name).loads(text or "")
        except BadSignature:
            return None

    def dumps(self, name: str, value: object) -> str:
        return str(URLSafeSerializer(self._secret, salt=name).dumps(value))

    def read(self, request: Request, name: str) -> Any:
        return self.loads(name, request.cookies.get(name))

    def keep(self, request: Request, answer: Response, name: str, value: object) -> None:
        """Put a signed cookie into the answer."""
        text = self.dumps(name, value)
        answer.set_cookie(
            name, text, max_age=KEPT_S, httponly=True, samesite="lax", secure=request.url.scheme == "https"
        )

    def orders(self, request: Request) -> list[str]:
        """The orders and processes made with this browser: nobody reads another one's."""
        kept = self.read(request, ORDERS)
        return [str(order) for order in kept] if isinstance(kept, list) else []

    def keep_orders(self, request: Request, answer: Response, orders: list[str]) -> None:
        self.keep(request, answer, ORDERS, orders[-MOST_ORDERS:])


def idempotency_key(attempt: str, body: Mapping[str, Any]) -> str:
    """The same attempt at the same thing is one: a double click, a reload, a lost answer buy once."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return f"shop-{attempt}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
