"""All routes of the console. The web application includes `router`."""

from __future__ import annotations

from fastapi import APIRouter

from web.console import sign_in
from web.console.edge import ConsoleRoute

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
for part in (sign_in,):
    router.include_router(part.router)
