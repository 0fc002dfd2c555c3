"""A console over a real database: the product's own routes, five people, two lines of business."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel import database
from capabilities.kernel.settings import settings
from capabilities.transaction.contract import OfferKind
from rules.queries import rule_sets
from tests.builders import a_business, an_offer, live_rules
from web.access import service
from web.access.contract import CreateOperator, OperatorSeen, Role
from web.access.service import create_operator
from web.console.pages import STATIC
from web.console.routes import router
from web.edge import Edge

with warnings.catch_warnings():  # it asks for a successor of httpx that is not needed here
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

PASSWORD = "correct horse battery"

People = dict[Role, OperatorSeen]


@pytest.fixture
def demo_mode() -> bool:
    return True


@pytest.fixture
def console_app(
    database_url: str, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, demo_mode: bool
) -> Iterator[FastAPI]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ZHONGTAI_DEMO", "1" if demo_mode else "0")
    for cached in (settings, database.engine, database.session_factory):
        cached.cache_clear()
    app = FastAPI()
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_middleware(Edge, max_body_bytes=1_000_000)
    yield app
    database.engine().dispose()
    for cached in (settings, database.engine, database.session_factory):
        cached.cache_clear()


@pytest.fixture
def people(console_app: FastAPI, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch) -> People:
    """One person of each role in retail; tourism is a line of business none of them has a role in."""
    monkeypatch.setattr(service, "_hasher", PasswordHasher(time_cost=1, memory_cost=64))  # people are many here
    with sessions.begin() as session:
        for code in ("retail", "tourism"):
            a_business(session, code)
        return {
            role: create_operator(
                session,
                CreateOperator(
                    email=f"{role.value}@demo.example",
                    name=f"{role.value.title()} Person",
                    password=PASSWORD,
                    roles={"retail": (role,)},
                    is_demo=True,
                ),
            )
            for role in Role
        }


class Browser(TestClient):
    """A browser without script: follows redirects, keeps cookies, posts what a form of the page holds."""

    def csrf(self) -> str:
        page = self.get("/console", follow_redirects=True)
        return re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]

    def submit(self, path: str, /, headers: dict[str, str] | None = None, **fields: str | list[str]):
        return self.post(path, data={"csrf": self.csrf(), **fields}, headers=headers, follow_redirects=False)


@pytest.fixture
def browser_as(console_app: FastAPI, people: People) -> Callable[[Role], Browser]:
    def signed_in(role: Role) -> Browser:
        browser = Browser(console_app)
        page = browser.get("/console/sign-in")
        token = re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]
        answer = browser.post(
            "/console/sign-in/demo", data={"csrf": token, "operator": people[role].id}, follow_redirects=False
        )
        assert answer.status_code == 303
        return browser

    return signed_in


@pytest.fixture
def guest(console_app: FastAPI, people: People) -> Browser:
    return Browser(console_app)


TEN_FROM_200 = {
    "id": "r_ten",
    "name": "10 % off from 200",
    "grain": "order",
    "stage": 30,
    "when": {"all": [{"field": "order.subtotal_minor", "op": "gte", "value": 20000}]},
    "effects": [{"kind": "percent_off", "rate_bps": 1000, "apply": "across"}],
}
VIP = {
    "id": "r_vip",
    "name": "VIP, 5 % more",
    "grain": "order",
    "stage": 30,
    "when": {"all": [{"field": "buyer.tier", "op": "in", "value": ["vip"]}]},
    "effects": [{"kind": "percent_off", "rate_bps": 500, "apply": "across"}],
}


@pytest.fixture
def rule_set(console_app: FastAPI, people: People, sessions: sessionmaker[Session]) -> str:
    """Live promotions of retail with two rules, and something to sell; returns the rule set's id."""
    with sessions.begin() as session:
        an_offer(session, "tea", price=128_00)
        an_offer(session, "post", price=8_00, stock=None, kind=OfferKind.DELIVERY)
        live_rules(session, TEN_FROM_200, VIP)
        return rule_sets(session, "retail")[0].id
