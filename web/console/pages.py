"""Rendering: one template a page, a fragment is a block of it; undefined names are errors, texts are escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments import render_block

from capabilities.account.labels import label
from capabilities.account.postings import told
from capabilities.kernel.settings import settings
from web.access.contract import Language, Theme
from web.console import formats
from web.console.badges import badge_of
from web.console.texts import Note, translations
from web.console.visit import Visit
from web.console.words import word_of

WEB = Path(__file__).parent.parent
STATIC = WEB / "static"
HEADERS = {"Cache-Control": "no-store", "Vary": "HX-Request"}
"""On top of what the web's edge gives every answer, the policy among it."""

HTMX_CONFIG = (
    '{"extensions":"ptag,z-trust","morphIgnore":["data-htmx-powered","open"],"history":"reload",'
    '"defaultSettleDelay":0,"noSwap":[204,304]}'
)


@lru_cache
def environment(language: Language) -> Environment:
    """The templates with one language's texts."""
    made = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    texts = translations(language)
    cast("Any", made).install_gettext_translations(texts, newstyle=True)
    made.globals.update(
        static=static_url,
        badge_of=badge_of,
        languages=[("en", "English"), ("zh", "中文")],
        htmx_config=HTMX_CONFIG,
    )
    made.filters.update(
        amount=formats.amount,
        money=formats.money,
        rate=formats.rate,
        sums=formats.sums,
        short_id=formats.short_id,
        word=lambda code: texts.ugettext(word_of(code)),
        account=lambda kind: label(kind, language),
        told=lambda reason, names=None: told(reason, language, names),
        say=lambda note: note.say(language) if isinstance(note, Note) else texts.ugettext(note),
    )
    return made


@lru_cache
def static_url(name: str) -> str:
    """The address with the content's hash, so that a browser never keeps an old file."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def page(
    visit: Visit,
    template: str,
    context: Any,
    *,
    block: str | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The page, or its block where htmx asks for one. `context` is a typed object, `page` in the template."""
    language = visit.operator.language
    values = {
        "page": context,
        "visit": visit,
        "language": language.value,
        "theme": visit.operator.theme.value,
        "csrf_token": visit.csrf_token,
        "demo": settings().demo,
        **_formats(visit),
    }
    made = environment(language)
    if block is not None and visit.wants_fragment:
        text = render_block(made, f"console/{template}", block, **values)
    else:
        text = made.get_template(f"console/{template}").render(**values)
    return HTMLResponse(text, status_code=status, headers={**HEADERS, **(headers or {})})


def _formats(visit: Visit) -> dict[str, Any]:
    zone, language = visit.business.zone, visit.operator.language.value
    return {
        "moment": lambda at: formats.moment(at, zone, language),
        "weekday": lambda at: formats.weekday(at, zone, language),
        "exact": lambda at: formats.exact(at, zone, language),
        "clock": lambda at: formats.clock(at, zone),
        "ago": lambda at: formats.ago(at, language),
        "duration": lambda start, end: formats.duration(start, end, language),
        "number": lambda value: formats.number(value, language),
        "either": lambda en, zh: zh if language == "zh" and zh else en,
    }


def bare_page(
    request: Request, template: str, context: Any, *, status: int = 200, csrf_token: str = ""
) -> HTMLResponse:
    """A page for somebody who is not signed in; language from the address or the browser."""
    language = guest_language(request)
    values = {
        "page": context,
        "visit": None,
        "language": language.value,
        "theme": Theme.DEVICE.value,
        "csrf_token": csrf_token,
        "demo": settings().demo,
    }
    text = environment(language).get_template(f"console/{template}").render(**values)
    return HTMLResponse(text, status_code=status, headers=dict(HEADERS))


def guest_language(request: Request) -> Language:
    asked = request.query_params.get("language", "")
    if asked in Language.__members__.values():
        return Language(asked)
    return Language.ZH if request.headers.get("accept-language", "").lower().startswith("zh") else Language.EN


def go(visit: Visit | None, to: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """After a post: a redirect; for htmx a header, so that the browser loads the page whole."""
    if visit is not None and visit.wants_fragment:
        return Response(status_code=200, headers={**HEADERS, "HX-Redirect": to, **(headers or {})})
    return RedirectResponse(to, status_code=303, headers={**HEADERS, **(headers or {})})
