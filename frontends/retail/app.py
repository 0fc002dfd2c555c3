"""The shop: shelves, a cart with a live quote, a checkout. htmx makes the cart live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request

from frontends.kit.app import Front, create_front
from frontends.kit.settings import FrontSettings
from frontends.kit.texts import Texts
from frontends.retail import buying, shelves
from frontends.retail.cart import read_cart
from frontends.retail.categories import category_name
from frontends.retail.texts import TEXTS

BUSINESS = "retail"


def _around(request: Request, language: str) -> dict[str, Any]:
    return {
        "cart_count": read_cart(request).count,
        "category_name": lambda path: category_name(path, language),
    }


SHOP = Front(BUSINESS, Path(__file__).parent, Texts(TEXTS), (shelves.router, buying.router), _around)


def create_shop(settings: FrontSettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The shop as an application; `transport` replaces the network in tests."""
    return create_front(SHOP, settings, transport)
