"""What machines ask: is the process alive, can it do its work, what did it measure."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import MissingError, UnavailableError

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive, whatever else is away."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether a checkout would go through now: database and process engine answer."""
    try:
        temporal = "ok" if await request.app.state.temporal.is_there() else "away"
    except UnavailableError:
        temporal = "not configured"
    database = await run_in_threadpool(_database)
    is_ready = temporal == database == "ok"
    body = {"status": "ok" if is_ready else "away", "database": database, "temporal": temporal}
    return JSONResponse(body, 200 if is_ready else 503)


def _database() -> str:
    try:
        with transaction() as session:
            session.execute(text("SELECT 1"))
    except (SQLAlchemyError, UnavailableError):
        return "away"
    return "ok"


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Prometheus figures of this process, for callers on this machine only."""
    host = request.client.host if request.client else ""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        raise MissingError("request.path_unknown", "There is nothing at /metrics.")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
