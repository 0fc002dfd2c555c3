"""A front-end over a product of its own: a database with the demo, web, worker and the front-end, each a process; and its visitors."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.orm import Session

from capabilities.kernel.database import make_engine
from tests.browser.running import SHOTS, await_page, running, web_command
from tests.conftest import free_port
from web.access.contract import CreateOperator, Role
from web.access.service import create_operator
from web.api.keys import issue_key
from zhongtai.demo import load_demo
from zhongtai.migrate import migrate


@dataclass(frozen=True, slots=True)
class Served:
    """Where the front-end and the console answer."""

    url: str
    web_url: str


@contextmanager
def served(business: str, database_url: str, temporal_address: str, folder: Path) -> Iterator[Served]:
    """One product for all tests of a file."""
    name = f"front_{business}_{os.getpid()}"
    admin = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(database_url).set(database=name).render_as_string(hide_password=False)
    migrate(url)
    web_port, front_port = free_port(), free_port()
    environment = os.environ | {
        "DATABASE_URL": url,
        "TEMPORAL_ADDRESS": temporal_address,
        "ZHONGTAI_TASK_QUEUE": f"{business}-{web_port}",
        "ZHONGTAI_API_URL": f"http://127.0.0.1:{web_port}",
        "ZHONGTAI_API_KEY": _loaded(url, business),
        f"ZHONGTAI_{business.upper()}_PORT": str(front_port),
        "ZHONGTAI_DEMO": "1",
    }
    commands = {
        "web": web_command(web_port),
        "worker": ["-m", "workflows.worker"],
        "front": ["-m", "frontends", business],
    }
    with running(commands, environment, folder):
        await_page(f"http://127.0.0.1:{web_port}/readyz")
        await_page(f"http://127.0.0.1:{front_port}/")
        yield Served(f"http://127.0.0.1:{front_port}", f"http://127.0.0.1:{web_port}")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def _loaded(url: str, business: str) -> str:
    engine = make_engine(url)
    with Session(engine) as session, session.begin():
        load_demo(session)
        key = issue_key(session, business, "front")
        operator = CreateOperator(
            email="operator@demo.example",
            name="Omar Operator",
            password="not used by anybody",
            roles={"platform": (Role.OPERATOR,)},
            is_demo=True,
        )
        create_operator(session, operator)
    engine.dispose()
    return key


@dataclass
class Visitor:
    """Somebody in a browser of their own; what it complains of is collected, and pictures are called by `name`."""

    front: Served
    context: BrowserContext
    page: Page
    complaints: list[str]
    name: str

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.front.url}{path}")
        return self.page

    def look(self, name: str) -> None:
        """Take the picture, and require that nothing on it is closed to anybody and nothing is wider than the screen."""
        page = self.page
        page.wait_for_load_state("networkidle")
        page.evaluate("window.scrollTo(0, 0)")
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{self.name}-{name}.png", full_page=True)
        found = Axe().run(page)["violations"]
        told = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
        assert told == [], json.dumps(told, indent=1)
        width, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert width <= room, name


@contextmanager
def visiting(front: Served, chromium: Browser, name: str, *, width: int = 1280, **how: Any) -> Iterator[Visitor]:
    """A new visitor; a complaint of the page's policy or scripts fails at the end."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, **how)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
    yield Visitor(front, context, page, complaints, name)
    context.close()
    assert complaints == []


def release_review(front: Served, chromium: Browser, business: str) -> None:
    """An operator releases the one order that is in review, at the console."""
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{front.web_url}/console/sign-in")
    page.locator(".z-demo-button", has_text=re.compile("Omar Operator")).click()
    page.wait_for_url("**/today")
    page.goto(f"{front.web_url}/console/{business}/today")
    page.get_by_role("link", name="1 order waits for a decision").click()
    page.locator(".z-table tbody a").first.click()
    page.get_by_role("button", name="Release the order").click()
    expect(page.get_by_role("status").first).to_contain_text("Released")
    context.close()
