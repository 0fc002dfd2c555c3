"""The edge of the console: forms read once, errors become pages, headers on everything."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData

from capabilities.kernel.errors import ErrorKind, PlatformError
from capabilities.kernel.ids import new_id
from web.access.contract import Role
from web.console.pages import HEADERS, bare_page, page
from web.console.texts import N_, Note
from web.console.visit import SAFE_METHODS, ForbiddenError, ForgedRequestError, SignInNeededError

STATUS = {
    ErrorKind.MISSING: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.REFUSED: 409,
    ErrorKind.INVALID: 422,
    ErrorKind.UNAVAILABLE: 503,
}
HEADINGS = {
    404: N_("This is not here"),
    409: N_("This cannot be done now"),
    422: N_("This cannot be meant"),
    503: N_("Something outside does not answer"),
    500: N_("Something went wrong here"),
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error page says: what happened, what to do, an id to quote."""

    heading: str
    message: str
    mend: str | None
    code: str
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What a 403 page says: the roles that may, and who has them."""

    business: str
    roles: tuple[Role, ...]
    who: tuple[str, ...]


class ConsoleRoute(APIRoute):
    """Wraps every handler of the console."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        original = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                request.state.form = await _form(request)
                response = await original(request)
            except SignInNeededError:
                response = _to_sign_in(request)
            except ForgedRequestError:
                response = _problem(
                    request,
                    403,
                    N_("This request did not come from a page of this console"),
                    Note.of(N_("Nothing was changed. Load the page again and repeat what you did.")),
                    "access.forged",
                )
            except ForbiddenError as error:
                context = Forbidden(error.business, tuple(sorted(error.roles)), error.who)
                response = page(request.state.visit, "forbidden.html", context, block="main", status=403)
            except RequestValidationError:
                response = _problem(request, 422, HEADINGS[422], None, "request.invalid")
            except PlatformError as error:
                status = STATUS[error.kind]
                response = _problem(request, status, HEADINGS[status], error.message, error.code, error.mend)
            except Exception:
                correlation_id = new_id("err")
                log.exception("console_failed", path=request.url.path, correlation_id=correlation_id)
                response = _problem(request, 500, HEADINGS[500], None, "console.failed", correlation_id=correlation_id)
            response.headers.update({name: value for name, value in HEADERS.items() if name not in response.headers})
            return response

        return handle


async def _form(request: Request) -> FormData:
    if request.method in SAFE_METHODS:
        return FormData()
    return await request.form(max_files=1, max_fields=2_000)


def _to_sign_in(request: Request) -> Response:
    here = request.url.path if request.method in SAFE_METHODS else "/console"
    if request.url.query and request.method in SAFE_METHODS:
        here = f"{here}?{request.url.query}"
    to = f"/console/sign-in?next={quote(here)}"
    if "HX-Request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": to})
    return RedirectResponse(to, status_code=303)


def _problem(
    request: Request,
    status: int,
    heading: str,
    message: str | Note | None,
    code: str,
    mend: str | None = None,
    correlation_id: str | None = None,
) -> HTMLResponse:
    visit = getattr(request.state, "visit", None)
    language = visit.operator.language if visit else None
    said = message.say(language) if isinstance(message, Note) and language else message
    text = said.text if isinstance(said, Note) else said
    context = Problem(heading, text or "", mend, code, correlation_id or new_id("err"))
    if visit is None:
        return bare_page(request, "problem_bare.html", context, status=status)
    return page(visit, "problem.html", context, block="main", status=status)
