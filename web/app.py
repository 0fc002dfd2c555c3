"""The web application: the API for front-ends, the console for operators, and what machines ask.

It starts without Temporal and without the database: what needs them says so, everything else answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI

import capabilities.businesses  # noqa: F401 - registers what each line of business does its own way
from capabilities.kernel.settings import settings
from web import health
from web.api import routes as api
from web.api.description import DescribedApp
from web.api.keys import KnownKeys, Throttle
from web.console.routes import router as console
from web.edge import Edge
from web.logs import configure_logs
from web.problems import register_problems
from web.static_files import CachedFiles
from web.temporal import TemporalGate
from workflows.starting import connect

STATIC = Path(__file__).parent / "static"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.temporal = TemporalGate(partial(connect, lazy=True))
    yield


def create_app() -> FastAPI:
    """The application, ready for any ASGI server."""
    configure_logs()
    app = DescribedApp(
        title="Zhongtai API",
        version="1",
        summary="Prices, checkouts, orders and processes of one line of business.",
        description=api.DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        openapi_tags=api.TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    app.state.known_keys = KnownKeys()
    app.state.throttle = Throttle()
    register_problems(app)
    app.include_router(health.router)
    app.include_router(api.router, prefix="/api/v1")
    app.include_router(console)
    app.mount("/static", CachedFiles(directory=STATIC), name="static")
    app.add_middleware(Edge, max_body_bytes=settings().max_body_bytes)
    return app
