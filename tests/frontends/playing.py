"""What tests of front-ends share: a browser without script, and a platform that is played and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from frontends.kit.settings import FrontSettings
from frontends.kit.texts import TEXTS as SHARED

Json = dict[str, Any]
Answer = tuple[int, Json]

SETTINGS = FrontSettings(api_url="http://platform", api_key="zk_test", cookie_secret="s")
CHINESE = re.compile("[\u4e00-\u9fff]")


def an_offer(sku: str, price: int, **about: Any) -> Json:
    return {
        "sku": sku,
        "kind": "goods",
        "product": sku.partition(".")[0],
        "name_en": f"{sku} <b>",
        "name_zh": f"{sku} 中文",
        "description_en": "Good.",
        "description_zh": "好。",
        "category": "things",
        "brand": "Brand",
        "currency": "EUR",
        "unit_price_minor": price,
        "weight_g": 0,
        "available_units": None,
        "tags": [],
    } | about


def a_line(number: int, sku: str, quantity: int, price: int, **about: Any) -> Json:
    return {
        "id": f"l{number}",
        "line_id": f"l{number}",
        "kind": "goods",
        "sku": sku,
        "name_en": f"{sku} <b>",
        "name_zh": sku,
        "quantity": quantity,
        "unit_price_minor": price,
        "gross_minor": price * quantity,
        "discount_minor": 0,
        "net_minor": price * quantity,
        "adjustments": [],
        "fee_rule_id": None,
    } | about


class Played:
    """A platform: answers by method and path, and everything it was asked."""

    def __init__(self, offers: list[Json]) -> None:
        self.asked: list[tuple[str, Json, str]] = []
        self.offers = offers
        self.answers: dict[str, Answer | Callable[[Json], Answer]] = {}
        self.is_away = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        body = json.loads(request.content) if request.content else {}
        self.asked.append((path, body, request.headers.get("idempotency-key", "")))
        assert request.headers["authorization"] == "Bearer zk_test"
        if path == "/offers":
            return httpx.Response(200, json={"offers": self.offers, "next_cursor": None})
        if path == "/buyers":
            buyers = [{"id": "b_1", "name": "Li Na", "tier": "vip", "status": "active"}]
            return httpx.Response(200, json={"buyers": buyers, "next_cursor": None})
        if self.is_away and request.method == "POST" and request.headers.get("idempotency-key"):
            raise httpx.ReadTimeout("lost")
        found = self.answers.get(path, (404, {"code": "x.unknown", "detail": "No."}))
        status, answer = found(body) if callable(found) else found
        return httpx.Response(status, json=answer)

    def bodies(self, path: str) -> list[Json]:
        """What was asked there, in order."""
        return [body for asked, body, _ in self.asked if asked == path]

    def keys(self, path: str) -> list[str]:
        return [key for asked, _, key in self.asked if asked == path]

    def quote(self, body: Json, **more: Any) -> Json:
        """A quote of the asked lines at the offers' prices."""
        prices = {offer["sku"]: offer["unit_price_minor"] for offer in self.offers}
        lines = [
            a_line(number, line["sku"], line["quantity"], prices[line["sku"]])
            for number, line in enumerate(body["lines"], start=1)
        ]
        total = sum(line["gross_minor"] for line in lines)
        return {
            "currency": body["currency"],
            "prices_include_tax": True,
            "goods_gross_minor": total,
            "discount_minor": 0,
            "delivery_minor": 0,
            "fee_minor": 0,
            "tax_minor": 1,
            "total_minor": total,
            "lines": lines,
            "outcomes": [],
        } | more


class Visitor:
    """A browser without script: keeps cookies, follows redirects."""

    def __init__(self, front: FastAPI) -> None:
        self.runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=front)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://front", follow_redirects=True)

    def get(self, path: str, **parts: Any) -> httpx.Response:
        return self.runner.run(self.client.get(path, **parts))

    def post(self, path: str, **parts: Any) -> httpx.Response:
        return self.runner.run(self.client.post(path, **parts))

    def leave(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


def field(page: httpx.Response, name: str) -> str:
    """What a field of that name holds."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page.text)
    assert found, name
    return found.group(1)


def require_texts(folder: Path, own: dict[str, tuple[str, str]], made: tuple[str, ...]) -> None:
    """Every text a page uses exists in both languages and none lies about; `made` begin keys that templates put together."""
    used: set[str] = set()
    for template in sorted((folder / "templates").glob("*.html")):
        used |= set(re.findall(r'["\']([a-z][a-z_0-9]*(?:\.[a-z_0-9]+)*)["\']', template.read_text()))
    kit: set[str] = set()
    for template in sorted(Path("frontends/kit/templates").glob("*.html")):
        kit |= set(re.findall(r'\bt\(["\']([a-z_.]+)["\']', template.read_text()))
    everything = SHARED | own
    assert {key for key in kit if not key.endswith(".")} <= set(everything)
    called = set()
    for template in sorted((folder / "templates").glob("*.html")):
        called |= set(re.findall(r'\bt\(["\']([a-z_.0-9]+)["\'][,)]', template.read_text()))
    assert called <= set(everything)
    left = {key for key in own if key not in used | kit and not key.startswith(made)}
    assert left - set(SHARED) == set()
    for english, chinese in own.values():
        assert english
        assert CHINESE.search(chinese), chinese


def require_clean_templates(folder: Path) -> None:
    """No script, no style, nothing unescaped in a template."""
    for template in sorted((folder / "templates").glob("*.html")):
        text = template.read_text()
        assert "style=" not in text, template
        assert "|safe" not in text, template
        assert "hx-on" not in text, template
        assert not re.search(r"<script(?![^>]*src=)", text), template
