"""The shop: a few pages over the platform's public API. Every page works without script; htmx makes the cart live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from frontends.retail import buying, shelves
from frontends.retail.cart import Jar
from frontends.retail.pages import Pages
from frontends.retail.platform import Platform, ProblemError
from frontends.retail.settings import ShopSettings

FOLDER = Path(__file__).parent

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types htmx"
)

SECURITY_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}

Handler = Callable[[Request], Awaitable[Response]]


def create_shop(shop: ShopSettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The shop as an application; `transport` replaces the network in tests."""
    platform = Platform(shop, transport)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await platform.close()

    app = FastAPI(title="Shop", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.platform = platform
    app.state.jar = Jar(shop.cookie_secret)
    app.state.pages = Pages(FOLDER)
    app.include_router(shelves.router)
    app.include_router(buying.router)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_failure)
    app.middleware("http")(_guard)
    return app


async def _guard(request: Request, call_next: Handler) -> Response:
    """Only the shop's own pages may change something; every answer carries the policy."""
    if request.method == "POST" and not _is_own(request):
        pages: Pages = request.app.state.pages
        refusal = pages.page(request, "problem.html", status=403, key="problem.foreign", detail=None)
        refusal.headers.update(SECURITY_HEADERS)
        return refusal
    response = await call_next(request)
    response.headers.update(SECURITY_HEADERS)
    if request.url.path.startswith("/static/"):
        is_versioned = "v" in request.query_params
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if is_versioned else "no-cache"
    else:
        response.headers.setdefault("cache-control", "no-store")
        response.headers["vary"] = "HX-Request, Cookie"
    return response


def _is_own(request: Request) -> bool:
    """Browsers say where a request comes from; one that says nothing is not a browser's form."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


async def _on_problem(request: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for this class only
    pages: Pages = request.app.state.pages
    if error.status == 404:
        return pages.page(request, "problem.html", status=404, key="problem.not_found", detail=None)
    key = "problem.away" if error.status in {401, 403, 429, 500, 503} else "problem.other"
    return pages.page(request, "problem.html", status=502, key=key, detail=error.problem.get("detail"))


async def _on_http(request: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    pages: Pages = request.app.state.pages
    key = "problem.not_found" if error.status_code == 404 else "problem.other"
    return pages.page(request, "problem.html", status=error.status_code, key=key, detail=None)


async def _on_failure(request: Request, _error: Exception) -> HTMLResponse:
    """What nobody foresaw: the server's log has it, the visitor gets a page and keeps the cart."""
    pages: Pages = request.app.state.pages
    answer = pages.page(request, "problem.html", status=500, key="problem.other", detail=None)
    answer.headers.update(SECURITY_HEADERS)
    return answer
