"""Rendering: one template a page, fragments are blocks of it; money, times and words in the visitor's language."""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_currency, format_percent, get_currency_precision
from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments import render_block
from starlette.responses import HTMLResponse

from frontends.retail.categories import category_name
from frontends.retail.texts import LANGUAGES, text_of

THEMES = ("device", "light", "dark")
ZONE = ZoneInfo("Asia/Shanghai")
LOCALES = {"en": "en_GB", "zh": "zh_CN"}


def language_of(request: Request) -> str:
    """The chosen language, else the browser's first one that we speak."""
    chosen = request.cookies.get("language")
    if chosen in LANGUAGES:
        return chosen
    for part in request.headers.get("accept-language", "").lower().split(","):
        code = part.strip()[:2]
        if code in LANGUAGES:
            return code
    return "en"


def money(minor: int, currency: str) -> str:
    """An amount as people write it: ¥1,234.50, with a true minus sign."""
    exact = Decimal(minor).scaleb(-get_currency_precision(currency))
    locale = "zh_CN" if currency == "CNY" else "en_GB"
    return format_currency(exact, currency, locale=locale).replace("-", "−")


def moment(text: str, language: str) -> str:
    at = datetime.fromisoformat(text).astimezone(ZONE)
    return str(
        format_datetime(at, "d MMM yyyy, HH:mm" if language == "en" else "y年M月d日 HH:mm", locale=LOCALES[language])
    )


def rate(bps: int) -> str:
    return str(format_percent(Decimal(bps) / 10_000, locale="en_GB", decimal_quantization=False))


def named(thing: dict[str, Any], language: str, field: str = "name") -> str:
    """A name of the platform in the visitor's language, in the other one where it has none."""
    chosen, other = (f"{field}_zh", f"{field}_en") if language == "zh" else (f"{field}_en", f"{field}_zh")
    return str(thing.get(chosen) or thing.get(other) or "")


def adjustments_of(priced: dict[str, Any]) -> list[dict[str, Any]]:
    """What each rule took off a quote or an order as a whole, in the order in which lines show it."""
    by_rule: dict[str, dict[str, Any]] = {}
    for line in priced["lines"]:
        for given in line["adjustments"]:
            amount = given["given_minor"] if "given_minor" in given else given["amount_minor"]
            if amount:
                row = by_rule.setdefault(given["rule_id"], given | {"amount_minor": 0})
                row["amount_minor"] += amount
    return list(by_rule.values())


class Pages:
    """The templates, and what every page of the shop shows."""

    def __init__(self, folder: Path) -> None:
        self._static = folder / "static"
        self._environment = Environment(
            loader=FileSystemLoader(folder / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            money=money, rate=rate, static=self._versioned, LANGUAGES=LANGUAGES, adjustments_of=adjustments_of
        )
        self._versions: dict[str, str] = {}

    def page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """The whole page."""
        text = self._environment.get_template(template).render(self._around(request) | context)
        return HTMLResponse(text, status)

    def block(self, request: Request, template: str, block: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """One block of the page, for htmx."""
        text = render_block(self._environment, template, block, **(self._around(request) | context))
        return HTMLResponse(text, status)

    def _around(self, request: Request) -> dict[str, Any]:
        language = language_of(request)
        theme = request.cookies.get("theme", "device")
        return {
            "t": partial(text_of, language),
            "language": language,
            "theme": theme if theme in THEMES else "device",
            "themes": THEMES,
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "cart_count": request.app.state.jar.read_cart(request.cookies.get("cart")).count,
            "name": lambda thing, field="name": named(thing, language, field),
            "category_name": lambda path: category_name(path, language),
            "moment": lambda text: moment(text, language),
        }

    def _versioned(self, name: str) -> str:
        """The address of a static file with its content's hash: it may be kept for ever."""
        if name not in self._versions:
            self._versions[name] = hashlib.sha256((self._static / name).read_bytes()).hexdigest()[:10]
        return f"/static/{name}?v={self._versions[name]}"
