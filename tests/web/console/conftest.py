"""A console over a real database: the product's own routes, five people, two lines of business."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel import database
from capabilities.kernel.business import Business
from capabilities.kernel.clock import now
from capabilities.kernel.settings import settings
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
def people(console_app: FastAPI, sessions: sessionmaker[Session]) -> People:
    """One person of each role in retail; tourism is a line of business none of them has a role in."""
    with sessions.begin() as session:
        for code, en, zh in (("retail", "Retail", "零售"), ("tourism", "Tourism", "旅游")):
            session.add(
                Business(
                    business=code,
                    name_en=en,
                    name_zh=zh,
                    currency="CNY",
                    country="CN",
                    time_zone="Asia/Shanghai",
                    locale="zh_CN",
                    prices_include_tax=True,
                    created_at=now(),
                )
            )
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

    def submit(self, path: str, **fields: str):
        return self.post(path, data={"csrf": self.csrf(), **fields}, follow_redirects=False)


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
