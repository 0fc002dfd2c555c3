"""The platform as a front-end sees it: calls of its public API."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from frontends.kit.settings import FrontSettings

Json = dict[str, Any]

REMEMBERED_S = 10.0
MOST_ROWS = 1_000
TIMEOUT = httpx.Timeout(5.0, read=20.0)
"""A checkout may take its fifteen seconds."""


class ProblemError(Exception):
    """The API said no, or nothing: its problem document."""

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(problem.get("detail", ""))
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        return str(self.problem.get("code", ""))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a checkout: the API's status, its body, and where to look next."""

    status: int
    body: Json
    location: str = ""

    @property
    def last_id(self) -> str:
        """The id at the end of `location`: of the order, or of the process."""
        return self.location.rsplit("/", 1)[-1]


@dataclass(slots=True)
class _Remembered:
    rows: list[Json] = field(default_factory=list)
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Platform:
    """The API client. Offers and buyers are remembered for seconds; prices of a cart are always asked."""

    def __init__(self, front: FrontSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{front.api_url}/api/v1",
            headers={"authorization": f"Bearer {front.api_key}", "user-agent": "zhongtai-front-end"},
            timeout=TIMEOUT,
            transport=transport,
        )
        self._offers = _Remembered()
        self._buyers = _Remembered()

    async def close(self) -> None:
        await self._http.aclose()

    async def offers(self) -> list[Json]:
        """Everything for sale, deliveries included."""
        return await self._remember(self._offers, "/offers", "offers")

    async def search(self, category: str | None, words: str | None) -> list[Json]:
        """The goods of a category and with these words, as the platform finds them."""
        found = await self._pages("/offers", "offers", category=category, search=words)
        return [offer for offer in found if offer["kind"] == "goods"]

    async def offer(self, sku: str) -> Json | None:
        return next((offer for offer in await self.offers() if offer["sku"] == sku), None)

    async def buyers(self) -> list[Json]:
        return await self._remember(self._buyers, "/buyers", "buyers")

    async def quote(self, cart: Json) -> Json:
        """What the cart costs now; `ProblemError` when it cannot be priced."""
        return await self.ask("/quotes", cart)

    async def checkout(self, cart: Json, key: str) -> Outcome:
        """Buy the cart. Every answer is an outcome; `ProblemError` only when there was none."""
        return await self.act("/checkouts", cart, key)

    async def act(self, path: str, body: Json, key: str) -> Outcome:
        """Ask for something that changes the world; sent again with the same key it is the same."""
        response = await self._send("POST", path, json=body, headers={"idempotency-key": key})
        return Outcome(response.status_code, _body(response), response.headers.get("location", ""))

    async def read(self, path: str, **query: str | int | None) -> Json:
        """One thing of the API; `ProblemError` where there is none."""
        return await self._json("GET", path, params={name: value for name, value in query.items() if value is not None})

    async def ask(self, path: str, body: Json) -> Json:
        """A question that changes nothing, such as a preview; `ProblemError` when it has no answer."""
        return await self._json("POST", path, json=body)

    async def order(self, order_id: str) -> Json:
        return await self._json("GET", f"/orders/{order_id}")

    async def explanation(self, order_id: str) -> Json:
        return await self._json("GET", f"/orders/{order_id}/explanation")

    async def process(self, run_id: str) -> Json:
        return await self._json("GET", f"/processes/{run_id}")

    async def _pages(self, path: str, name: str, **query: str | None) -> list[Json]:
        given = {key: value for key, value in query.items() if value}
        rows: list[Json] = []
        after: str | None = None
        while len(rows) < MOST_ROWS:
            page = await self._json("GET", path, params={"limit": 200, **given} | ({"after": after} if after else {}))
            rows += page[name]
            after = page["next_cursor"]
            if after is None:
                break
        return rows

    async def _remember(self, kept: _Remembered, path: str, name: str) -> list[Json]:
        async with kept.lock:
            if kept.until < time.monotonic():
                kept.rows = await self._pages(path, name)
                kept.until = time.monotonic() + REMEMBERED_S
        return kept.rows

    async def _json(self, method: str, path: str, **parts: Any) -> Json:
        response = await self._send(method, path, **parts)
        if response.is_success:
            return _body(response)
        raise ProblemError(response.status_code, _body(response))

    async def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **parts)
        except httpx.HTTPError as away:
            raise ProblemError(503, {"code": "shop.platform_away", "detail": type(away).__name__}) from None


def _body(response: httpx.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        return {"code": "shop.answer_unreadable", "detail": response.text[:200]}
    return body if isinstance(body, dict) else {"items": body}
