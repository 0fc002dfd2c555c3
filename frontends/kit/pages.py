"""Rendering: one template a page, fragments are blocks of it; money, times and words in the visitor's language."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_percent, get_currency_precision
from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments import render_block
from starlette.responses import HTMLResponse

from frontends.kit.texts import LANGUAGES, Texts

KIT = Path(__file__).parent
THEMES = ("device", "light", "dark")
LOCALES = {"en": "en_GB", "zh": "zh_CN"}

Around = Callable[[Request, str], dict[str, Any]]
"""What a front-end adds to every page: from the request and the visitor's language."""


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


def moment(text: str, language: str, zone: ZoneInfo) -> str:
    at = datetime.fromisoformat(text).astimezone(zone)
    return str(
        format_datetime(at, "d MMM yyyy, HH:mm" if language == "en" else "y年M月d日 HH:mm", locale=LOCALES[language])
    )


def day(text: str, language: str) -> str:
    """A date such as `2026-12-24`, as people write it."""
    return str(
        format_date(
            date.fromisoformat(text[:10]),
            "EEE d MMM yyyy" if language == "en" else "y年M月d日 EEE",
            locale=LOCALES[language],
        )
    )


def day_of(text: str, language: str, zone: ZoneInfo) -> str:
    """The day of a moment, as people write it."""
    return day(datetime.fromisoformat(text).astimezone(zone).date().isoformat(), language)


def month_of(text: str, language: str) -> str:
    """A month such as `2027-02`, as people write it."""
    first = date.fromisoformat(f"{text}-01")
    return str(format_date(first, "MMMM yyyy" if language == "en" else "y年M月", locale=LOCALES[language]))


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


def fees_of(priced: dict[str, Any]) -> list[dict[str, Any]]:
    """The surcharges of a quote, each by the name of the rule that asks for it; of an order, where names are not kept."""
    names = {outcome["rule_id"]: outcome["rule_name"] for outcome in priced.get("outcomes", ())}
    return [
        {
            "rule_id": line.get("fee_rule_id"),
            "name": names.get(line.get("fee_rule_id")),
            "amount_minor": line["net_minor"],
        }
        for line in priced["lines"]
        if line["kind"] == "fee"
    ]


class Pages:
    """The templates of a front-end, over those of the kit, and what every page of it shows."""

    def __init__(self, folder: Path, texts: Texts, around: Around | None = None, zone: str = "Asia/Shanghai") -> None:
        self._folders = (folder, KIT)
        self._texts = texts
        self._more = around
        self._zone = ZoneInfo(zone)
        self._environment = Environment(
            loader=FileSystemLoader([each / "templates" for each in self._folders]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            money=money,
            rate=rate,
            static=self._versioned,
            LANGUAGES=LANGUAGES,
            adjustments_of=adjustments_of,
            fees_of=fees_of,
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

    def problem(self, request: Request, key: str, *, status: int, detail: object = None) -> HTMLResponse:
        """A page that says what is wrong."""
        return self.page(request, "problem.html", status=status, key=key, detail=detail)

    def _around(self, request: Request) -> dict[str, Any]:
        language = language_of(request)
        theme = request.cookies.get("theme", "device")
        shared = {
            "t": lambda key, **values: self._texts.of(language, key, **values),
            "language": language,
            "theme": theme if theme in THEMES else "device",
            "themes": THEMES,
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "name": lambda thing, field="name": named(thing, language, field),
            "moment": lambda text: moment(text, language, self._zone),
            "day": lambda text: day(text, language),
            "month_of": lambda text: month_of(text, language),
            "day_of": lambda text: day_of(text, language, self._zone),
        }
        return shared | (self._more(request, language) if self._more else {})

    def _versioned(self, name: str) -> str:
        """The address of a static file with its content's hash: it may be kept for ever."""
        if name not in self._versions:
            self._versions[name] = hashlib.sha256(static_file(self._folders, name).read_bytes()).hexdigest()[:10]
        return f"/static/{name}?v={self._versions[name]}"


def static_file(folders: Sequence[Path], name: str) -> Path:
    """The front-end's own file of that name, else the kit's."""
    return next(each / "static" / name for each in folders if (each / "static" / name).is_file())
