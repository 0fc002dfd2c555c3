"""All routes of the console. The web application includes `router`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from capabilities.kernel.errors import MissingError
from web.console import (
    approvals,
    books,
    catalogue,
    order_reviews,
    orders,
    processes,
    repairs,
    rule_editor,
    rule_releases,
    rule_reviews,
    rule_sets,
    rule_trials,
    sign_in,
    today,
)
from web.console.edge import ConsoleRoute

PARTS = tuple(
    part.router
    for part in (
        sign_in,
        today,
        rule_sets,
        rule_reviews,
        rule_releases,
        rule_trials,
        rule_editor,
        orders,
        order_reviews,
        processes,
        repairs,
        approvals,
        books,
        catalogue,
    )
)
"""The routers of all pages; a test walks their routes with every role."""

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
for part in PARTS:
    router.include_router(part)


@router.get("/", name="door")
def door() -> Response:
    """Whoever opens the address of the installation wants the console."""
    return RedirectResponse("/console", status_code=303)


@router.get("/console/{path:path}", name="nowhere")
def nowhere(path: str) -> Response:
    """Every other address below the console: a page that says so, not a bare 404."""
    raise MissingError("console.page_unknown", f"There is no page /console/{path}.", mend="Begin at /console.")
