"""The front-end of parcels: a price while one types, a booking, a page that tracks it, and the courier's page."""

from __future__ import annotations

from pathlib import Path

import httpx
from fastapi import FastAPI

from frontends.kit.app import Front, create_front
from frontends.kit.settings import FrontSettings
from frontends.kit.texts import Texts
from frontends.logistics import booking, courier, pricing
from frontends.logistics.texts import TEXTS

BUSINESS = "logistics"

PARCELS = Front(
    BUSINESS,
    Path(__file__).parent,
    Texts(TEXTS),
    (pricing.router, booking.router, courier.router),
    zone="Europe/Berlin",
)


def create_parcels(settings: FrontSettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The front-end as an application; `transport` replaces the network in tests."""
    return create_front(PARCELS, settings, transport)
