"""The product as people meet it: web, worker, Temporal, PostgreSQL, each a process of its own; and a real Chromium."""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy.orm import Session, sessionmaker

from tests.browser.running import SHOTS, await_page, chromium_browser, running, web_command
from tests.conftest import free_port
from web.access.contract import CreateOperator, Role
from web.access.service import create_operator
from web.api.keys import issue_key
from zhongtai.demo import load_demo

PEOPLE = {
    Role.EDITOR: "Erin Editor",
    Role.APPROVER: "Ada Approver",
    Role.OPERATOR: "Omar Operator",
    Role.ADMIN: "Adam Admin",
    Role.AUDITOR: "Aiko Auditor",
}


@dataclass
class Product:
    """A running installation with the demo's data and accounts."""

    url: str
    api_key: str
    sessions: sessionmaker[Session]
    answers: list[httpx.Response] = field(default_factory=list)

    def checkout(self, lines: dict[str, int], *, method: str = "sim_ok", **more: Any) -> httpx.Response:
        """A checkout over the API, as a front-end does it."""
        return httpx.post(
            f"{self.url}/api/v1/checkouts",
            headers={"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": uuid.uuid4().hex},
            json={
                "currency": "CNY",
                "payment_method": method,
                "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()],
                **more,
            },
            timeout=30,
        )

    def checkout_meanwhile(self, lines: dict[str, int], *, method: str) -> threading.Thread:
        """The same beside the test; its answer is found in `answers`."""
        thread = threading.Thread(target=lambda: self.answers.append(self.checkout(lines, method=method)))
        thread.start()
        return thread


@pytest.fixture
def product(
    sessions: sessionmaker[Session], database_url: str, temporal_address: str, tmp_path: Path
) -> Iterator[Product]:
    """Web and a worker as processes of their own, on free ports, in demo mode."""
    with sessions.begin() as session:
        load_demo(session)
        key = issue_key(session, "retail", "browser")
        for role, name in PEOPLE.items():
            create_operator(
                session,
                CreateOperator(
                    email=f"{role.value}@demo.example",
                    name=name,
                    password=uuid.uuid4().hex,
                    roles={"platform": (role,)},
                    is_demo=True,
                ),
            )
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "ZHONGTAI_TASK_QUEUE": f"console-{port}",
        "ZHONGTAI_DEMO": "1",
        "ZHONGTAI_PROVIDER_LIMIT_S": "20",
    }
    commands = {"web": web_command(port), "worker": ["-m", "workflows.worker"]}
    with running(commands, environment, tmp_path):
        await_page(f"http://127.0.0.1:{port}/readyz")
        yield Product(f"http://127.0.0.1:{port}", key, sessions)


@pytest.fixture(scope="module")
def console_browser() -> Iterator[Browser]:
    """Closed with its module: while it is open its event loop counts as running, and no asynchronous test could start."""
    with chromium_browser() as browser:
        yield browser


@dataclass
class Person:
    """Somebody at the console, in a browser of their own. What the browser complains of is collected."""

    product: Product
    context: BrowserContext
    page: Page
    complaints: list[str]

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.product.url}{path}")
        return self.page

    def prefer(self, *, language: str, theme: str) -> None:
        """Language and theme by their switches."""
        page = self.page
        if not (page.locator("html").get_attribute("lang") or "").startswith(language):
            page.locator(".z-switches button[name=language]").click()
        for _ in range(3):
            if page.locator("html").get_attribute("data-bs-theme") == theme:
                return
            page.locator(".z-switches button[name=theme]").click()
        raise AssertionError(theme)

    def look(self, name: str) -> list[str]:
        """Take the picture; what is closed to somebody is returned, as axe-core words it."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
        return [
            f"{name}: {found['id']}: {found['nodes'][0]['html'][:160]} {found['nodes'][0]['failureSummary'][:200]}"
            for found in Axe().run(self.page)["violations"]
        ]


@pytest.fixture
def person(product: Product, console_browser: Browser) -> Iterator[Callable[[Role], Person]]:
    """Sign somebody in by one click on the demo door."""
    opened: list[BrowserContext] = []

    def sign_in(role: Role, **how: Any) -> Person:
        context = console_browser.new_context(viewport={"width": 1360, "height": 900}, locale="en-GB", **how)
        opened.append(context)
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
        page.goto(f"{product.url}/console/sign-in")
        page.locator(".z-demo-button", has_text=re.compile(PEOPLE[role])).click()
        page.wait_for_url("**/today")
        return Person(product, context, page, complaints)

    yield sign_in
    for context in opened:
        context.close()
