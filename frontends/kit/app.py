"""A front-end as an application: a few pages over the platform's public API that all work without script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import httpx
from fastapi import APIRouter, FastAPI, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from frontends.kit.jar import Jar
from frontends.kit.ordering import router as ordering
from frontends.kit.pages import KIT, THEMES, Around, Pages, static_file
from frontends.kit.platform import Platform, ProblemError
from frontends.kit.settings import FrontSettings
from frontends.kit.texts import LANGUAGES, Texts

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

YEAR_S = 31_536_000
STATIC_FILES = frozenset({".css", ".js", ".svg"})

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Front:
    """One front-end: the line of business it serves, its pages and words. `around` adds to every page; times are of `zone`."""

    business: str
    folder: Path
    texts: Texts
    routers: Sequence[APIRouter]
    around: Around | None = None
    zone: str = "Asia/Shanghai"


def create_front(front: Front, settings: FrontSettings, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The front-end as an application; `transport` replaces the network in tests."""
    platform = Platform(settings, transport)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await platform.close()

    app = FastAPI(title=front.business, openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.platform = platform
    app.state.jar = Jar(settings.cookie_secret)
    app.state.pages = Pages(front.folder, front.texts, front.around, front.zone)
    app.state.folders = (front.folder, KIT)
    for router in (*front.routers, ordering, _shared):
        app.include_router(router)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_failure)
    app.middleware("http")(_guard)
    return app


_shared = APIRouter()


@_shared.get("/static/{name:path}")
async def read_static(request: Request, name: str) -> Response:
    """A file of the front-end's own, else of the kit."""
    if Path(name).suffix not in STATIC_FILES or ".." in name:
        raise HTTPException(404)
    try:
        return FileResponse(static_file(request.app.state.folders, name))
    except StopIteration:
        raise HTTPException(404) from None


@_shared.post("/settings")
async def change_settings(
    request: Request,
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = "/",
) -> RedirectResponse:
    """Language and appearance, kept in cookies for a year."""
    safe = back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/"
    answer = RedirectResponse(safe, 303)
    for name, value, known in (("language", language, LANGUAGES), ("theme", theme, THEMES)):
        if value in known:
            answer.set_cookie(
                name, value, max_age=YEAR_S, httponly=True, samesite="lax", secure=request.url.scheme == "https"
            )
    return answer


async def _guard(request: Request, call_next: Handler) -> Response:
    """Only the front-end's own pages may change something; every answer carries the policy."""
    if request.method == "POST" and not _is_own(request):
        pages: Pages = request.app.state.pages
        refusal = pages.problem(request, "problem.foreign", status=403)
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
        return pages.problem(request, "problem.not_found", status=404)
    key = "problem.away" if error.status in {401, 403, 429, 500, 503} else "problem.other"
    return pages.problem(request, key, status=502, detail=error.problem.get("detail"))


async def _on_http(request: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    pages: Pages = request.app.state.pages
    key = "problem.not_found" if error.status_code == 404 else "problem.other"
    return pages.problem(request, key, status=error.status_code)


async def _on_failure(request: Request, _error: Exception) -> HTMLResponse:
    """What nobody foresaw: the server's log has it, the visitor gets a page and keeps the cart."""
    pages: Pages = request.app.state.pages
    answer = pages.problem(request, "problem.other", status=500)
    answer.headers.update(SECURITY_HEADERS)
    return answer
