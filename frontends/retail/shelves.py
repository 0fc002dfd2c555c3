"""Looking: the shelves, a product, its picture."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from frontends.kit.pages import Pages
from frontends.kit.platform import Json, Platform
from frontends.retail.categories import child_of, top_of
from frontends.retail.pictures import picture

router = APIRouter()

YEAR_S = 31_536_000
MOST_WORDS = 100
A_SHELF = 3
"""Fewer things than that do not fill a shelf of their own."""


@router.get("/")
async def read_shelves(request: Request, category: str = "", q: str = "") -> HTMLResponse:
    """The goods, of one category or with certain words; htmx gets the shelf alone."""
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    words = "".join(mark for mark in q if mark.isprintable()).strip()[:MOST_WORDS]
    everything = await platform.offers()
    tops = _tops(everything)
    is_known = any(f"{offer['category']}/".startswith(f"{category}/") for offer in everything)
    chosen = category if category and is_known else ""
    goods = await platform.search(chosen or None, words or None)
    context: dict[str, Any] = {
        "goods": goods,
        "groups": _groups(goods, tops) if not (chosen or words) else [],
        "children": _children(top_of(chosen), everything) if chosen else [],
        "tops": tops,
        "category": chosen,
        "top": top_of(chosen),
        "words": words,
        "is_home": not (chosen or words),
    }
    if request.headers.get("hx-request"):
        return pages.block(request, "shelves.html", "shelf", **context)
    return pages.page(request, "shelves.html", **context)


@router.get("/products/{sku}")
async def read_product(request: Request, sku: str, added: int = 0) -> HTMLResponse:
    platform: Platform = request.app.state.platform
    pages: Pages = request.app.state.pages
    everything = await platform.offers()
    offer = next((each for each in everything if each["sku"] == sku and each["kind"] == "goods"), None)
    if offer is None:
        return pages.problem(request, "problem.not_found", status=404)
    return pages.page(
        request,
        "product.html",
        offer=offer,
        alike=_alike(offer, everything),
        tops=_tops(everything),
        top=top_of(offer["category"]),
        is_added=bool(added),
    )


@router.get("/pictures/{sku}.svg")
async def read_picture(request: Request, sku: str) -> Response:
    """A drawing of the product: shape by what it is, colours by its sku."""
    platform: Platform = request.app.state.platform
    offer = await platform.offer(sku)
    svg = picture(offer or {"sku": sku, "category": "", "name_en": "", "tags": []})
    headers = {"cache-control": f"public, max-age={YEAR_S if 'v' in request.query_params else 300}"}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def _tops(offers: list[Json]) -> list[str]:
    """The first parts of the category paths, the fullest shelf first."""
    counted = Counter(top_of(offer["category"]) for offer in offers if offer["kind"] == "goods")
    return [top for top, _ in counted.most_common()]


def _groups(goods: list[Json], tops: list[str]) -> list[tuple[str, list[Json]]]:
    """The shelves as the first page shows them; those with few things stand together at the end, under an empty name."""
    shelves = {top: [offer for offer in goods if top_of(offer["category"]) == top] for top in tops}
    full = [(top, _mixed(offers)) for top, offers in shelves.items() if len(offers) >= A_SHELF]
    rest = [offer for offers in shelves.values() if len(offers) < A_SHELF for offer in offers]
    return [*full, ("", rest)] if rest else full


def _mixed(offers: list[Json]) -> list[Json]:
    """One of each category in turn, so that a glance shows what there is."""
    by_category: dict[str, list[Json]] = {}
    for offer in offers:
        by_category.setdefault(offer["category"], []).append(offer)
    rounds = zip_longest(*by_category.values())
    return [offer for turn in rounds for offer in turn if offer is not None]


def _children(top: str, offers: list[Json]) -> list[str]:
    """The categories directly below the first part of a path."""
    below = (child_of(offer["category"], top) for offer in offers if offer["kind"] == "goods")
    return list(dict.fromkeys(child for child in below if child))


def _alike(offer: Json, everything: list[Json]) -> list[Json]:
    """Up to four goods of the same shelf."""

    def nearness(other: Json) -> tuple[Any, ...]:
        return (other["category"] != offer["category"], abs(other["unit_price_minor"] - offer["unit_price_minor"]))

    shelf = [
        other
        for other in everything
        if other["kind"] == "goods"
        and other["sku"] != offer["sku"]
        and top_of(other["category"]) == top_of(offer["category"])
    ]
    return sorted(shelf, key=nearness)[:4]
