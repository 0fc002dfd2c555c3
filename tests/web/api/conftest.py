"""The web application in this process, as front-ends meet it; with a real Temporal server and worker where asked for."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel import database
from capabilities.kernel.settings import settings
from capabilities.transaction.contract import DeclareSeller, OfferKind
from capabilities.transaction.service import declare_seller
from tests.builders import a_business, an_offer
from web.api.keys import issue_key
from web.app import create_app
from workflows.starting import connect
from workflows.worker import load_operations, make_worker

WRITTEN = (
    "sales_order",
    "sales_order_line",
    "reservation",
    "coupon_claim",
    "payment",
    "payment_event",
    "ledger_transfer",
    "ledger_entry",
    "commission_line",
    "simulated_provider_act",
)
"""What "nothing written" counts; a refused run itself is kept."""


def point_at(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Settings of the product, as the environment says them."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for cached in (settings, database.engine, database.session_factory):
        cached.cache_clear()


@pytest.fixture
def placed(
    monkeypatch: pytest.MonkeyPatch, database_url: str, sessions: sessionmaker[Session]
) -> Iterator[sessionmaker[Session]]:
    """A database with two lines of business and a few things to buy; no Temporal."""
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    point_at(
        monkeypatch,
        DATABASE_URL=database_url,
        ZHONGTAI_TASK_QUEUE=f"test-{uuid.uuid4().hex}",
        ZHONGTAI_PROVIDER_LIMIT_S="0.5",
        ZHONGTAI_ANSWER_WITHIN_S="10",
    )
    with sessions.begin() as session:
        for business in ("retail", "tourism"):
            a_business(session, business)
            declare_seller(session, DeclareSeller(business=business, id="s_one", name_en="One", name_zh="一"))
            an_offer(session, "tea", business=business)
            an_offer(session, "cup", business=business, price=20_00, category="home/cups")
            an_offer(session, "last", business=business, price=5_00, stock=1, category="home/cups")
            an_offer(session, "dollar", business=business, currency="USD", category="home/cups")
            an_offer(session, "post", business=business, price=8_00, stock=None, kind=OfferKind.DELIVERY)
    yield sessions
    database.engine().dispose()
    for cached in (settings, database.engine, database.session_factory):
        cached.cache_clear()


@pytest.fixture
def key(placed: sessionmaker[Session]) -> str:
    """A key of retail that may do everything."""
    with placed.begin() as session:
        return issue_key(session, "retail", "shop")


@pytest.fixture
def foreign_key(placed: sessionmaker[Session]) -> str:
    """A key of another line of business."""
    with placed.begin() as session:
        return issue_key(session, "tourism", "agency")


@pytest_asyncio.fixture
async def app(placed: sessionmaker[Session]) -> AsyncIterator[FastAPI]:
    application = create_app()
    async with application.router.lifespan_context(application):
        yield application


@pytest_asyncio.fixture
async def web(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The API without a key."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1", timeout=30) as client:
        yield client


@pytest_asyncio.fixture
async def shop(web: httpx.AsyncClient, key: str) -> httpx.AsyncClient:
    """The API as the front-end of retail calls it."""
    web.headers["authorization"] = f"Bearer {key}"
    return web


@pytest_asyncio.fixture
async def worker(
    monkeypatch: pytest.MonkeyPatch, temporal_address: str, placed: sessionmaker[Session]
) -> AsyncIterator[None]:
    """A worker of the product on a real Temporal server."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    settings.cache_clear()
    load_operations()
    client = await connect()
    with ThreadPoolExecutor(8) as executor:
        async with make_worker(client, executor):
            yield


@pytest.fixture
def written(placed: sessionmaker[Session]) -> Callable[[], dict[str, int]]:
    """How many rows stand in the tables that a purchase fills."""

    def count() -> dict[str, int]:
        with placed() as session:
            return {table: session.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in WRITTEN}  # noqa: S608 - our own names

    return count


def a_cart(**changed: Any) -> dict[str, Any]:
    """Two teas and a cup: 2 × 100.00 + 20.00 = 220.00."""
    return {
        "currency": "CNY",
        "lines": [{"sku": "tea", "quantity": 2}, {"sku": "cup", "quantity": 1}],
        "payment_method": "sim_ok",
        **changed,
    }


def keyed(text: str = "k-1") -> dict[str, str]:
    return {"idempotency-key": text}


async def at_once(*calls: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*calls))
