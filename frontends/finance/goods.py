"""Looking: what can be bought in parts, by category."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Platform

router = APIRouter()


@router.get("/")
async def read_goods(request: Request, category: str = "") -> HTMLResponse:
    """Everything for sale, or one category of it; the dearest first, which is what plans are for."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    goods = [offer for offer in await platform.offers() if offer["kind"] == "goods"]
    tops = sorted({top_of(offer) for offer in goods})
    chosen = category if category in tops else ""
    shown = [offer for offer in goods if chosen in ("", top_of(offer))]
    groups = [(top, _dearest_first(shown, top)) for top in tops if not chosen or top == chosen]
    return pages.page(request, "goods.html", groups=groups, tops=tops, category=chosen)


def top_of(offer: Json) -> str:
    """The first part of the category path."""
    return str(offer["category"]).split("/", 1)[0]


def _dearest_first(goods: list[Json], top: str) -> list[Json]:
    return sorted((offer for offer in goods if top_of(offer) == top), key=lambda offer: -offer["unit_price_minor"])
