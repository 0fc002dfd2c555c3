"""The front-end of instalment purchases: a catalogue, a plan chosen for each thing, an order whose dues are paid early or on time."""

from __future__ import annotations

from pathlib import Path

import httpx
from fastapi import FastAPI

from frontends.finance import buying, goods
from frontends.finance.texts import TEXTS
from frontends.kit.app import Front, create_front
from frontends.kit.plans import router as plans
from frontends.kit.settings import FrontSettings
from frontends.kit.texts import Texts

BUSINESS = "finance"

INSTALMENTS = Front(BUSINESS, Path(__file__).parent, Texts(TEXTS), (goods.router, buying.router, plans))


def create_instalments(settings: FrontSettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The front-end as an application; `transport` replaces the network in tests."""
    return create_front(INSTALMENTS, settings, transport)
