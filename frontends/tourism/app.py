"""The front-end of stays and day trips: a calendar with places left, a booking with deposit or all at once, cancelling."""

from __future__ import annotations

from pathlib import Path

import httpx
from fastapi import FastAPI

from frontends.kit.app import Front, create_front
from frontends.kit.plans import router as plans
from frontends.kit.settings import FrontSettings
from frontends.kit.texts import Texts
from frontends.tourism import booking, calendar, cancelling
from frontends.tourism.texts import TEXTS

BUSINESS = "tourism"

TRAVEL = Front(
    BUSINESS,
    Path(__file__).parent,
    Texts(TEXTS),
    (calendar.router, booking.router, cancelling.router, plans),
    zone="Europe/Lisbon",
)


def create_travel(settings: FrontSettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The front-end as an application; `transport` replaces the network in tests."""
    return create_front(TRAVEL, settings, transport)
