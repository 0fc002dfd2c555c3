"""The front-end of parcels: a price while one types, a booking, a page that tracks it, and the courier's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request

from frontends.kit.app import Front, create_front
from frontends.kit.settings import FrontSettings
from frontends.kit.texts import Texts
from frontends.logistics import booking, courier, pricing
from frontends.logistics.texts import TEXTS

BUSINESS = "logistics"


def _around(_request: Request, language: str) -> dict[str, Any]:
    """Surcharges by the words of this front-end, else by the name of their rule."""
    texts = Texts(TEXTS)

    def fee_name(fee: dict[str, Any]) -> str:
        key = f"fee.{fee['rule_id']}"
        if key in texts.all:
            return texts.of(language, key)
        return str(fee["name"] or texts.of(language, "sum.fees"))

    return {"fee_name": fee_name}


PARCELS = Front(
    BUSINESS,
    Path(__file__).parent,
    Texts(TEXTS),
    (pricing.router, booking.router, courier.router),
    _around,
    zone="Europe/Berlin",
)


def create_parcels(settings: FrontSettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The front-end as an application; `transport` replaces the network in tests."""
    return create_front(PARCELS, settings, transport)
