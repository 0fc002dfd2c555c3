"""Problem details (RFC 9457): every error of the web has this one form, and says what to do where there is something.

The kind of an error decides its status; a few codes have one of their own.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from capabilities.kernel.errors import InvalidError, MissingError, PlatformError, RefusedError, UnavailableError
from capabilities.transaction.contract import MAX_LINES
from workflows.problems import PROBLEM_TYPE, problem, status_of

STATUS_OF_CODE = {
    "api.key_required": 401,
    "api.key_unknown": 401,
    "api.operation_refused": 403,
    "api.rate_exceeded": 429,
    "payment.signature_invalid": 401,
    "payment.message_too_old": 401,
    "request.method_refused": 405,
    "request.unreadable": 400,
    "request.media_type_refused": 415,
    "request.too_large": 413,
    "request.too_many_lines": 413,
    "server.failed": 500,
}
"""Codes of the web itself: HTTP knows these cases better than the five kinds do."""

log = structlog.get_logger("web.problems")


def status_for(error: PlatformError) -> int:
    return STATUS_OF_CODE.get(error.code) or status_of(error)


def problem_response(
    error: PlatformError, headers: dict[str, str] | None = None, *, status: int | None = None
) -> Response:
    """The answer for an error of the family; `status` where HTTP itself has decided it."""
    status = status or status_for(error)
    extra = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        extra.setdefault("www-authenticate", 'Bearer realm="zhongtai"')
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        extra.setdefault("retry-after", "2")
    if "retry_after_s" in error.details:
        extra.setdefault("retry-after", str(error.details["retry_after_s"]))
    return Response(orjson.dumps(problem(error, status)), status, extra, PROBLEM_TYPE)


def too_large(limit: int) -> PlatformError:
    return InvalidError(
        "request.too_large", f"The body is larger than {limit:,} bytes.", mend="Send less at once.", limit_bytes=limit
    )


def server_error(request_id: str) -> PlatformError:
    return UnavailableError(
        "server.failed",
        "Something went wrong on our side. Nothing is known to have been changed.",
        mend=f"Send the request again with the same Idempotency-Key, and tell us {request_id} if it stays.",
        request_id=request_id,
    )


def place(location: tuple[int | str, ...]) -> str:
    """`("body", "lines", 0, "quantity")` as people write it: `body.lines[0].quantity`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def validation_error(errors: list[dict[str, Any]]) -> PlatformError:
    """What pydantic found, as one error of ours: each field with its place and a sentence; the input is not repeated."""
    if any(error["type"] == "json_invalid" for error in errors):
        return InvalidError("request.unreadable", "The body is not JSON.", mend="Send one JSON object.")
    for error in errors:
        if error["type"] == "too_long" and tuple(error["loc"])[:2] == ("body", "lines"):
            return RefusedError(
                "request.too_many_lines",
                f"A cart holds at most {MAX_LINES:,} lines.",
                mend="Split it into several orders.",
                field="body.lines",
                limit=MAX_LINES,
            )
    told = _without_consequences(errors)
    fields = [
        {"at": place(tuple(error["loc"])), "code": error["type"], "detail": _sentence(error["msg"])}
        for error in told[:50]
    ]
    count = "One field is not as it should be." if len(told) == 1 else f"{len(told)} fields are not as they should be."
    first = f"{fields[0]['at']}: {fields[0]['detail']}" if fields else ""
    return InvalidError("request.invalid", f"{count} {first}".strip(), mend="See errors.", errors=fields)


def _without_consequences(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A list whose items are wrong is also told to be too short, because wrong items do not count: the items say it all."""
    places = [tuple(error["loc"]) for error in errors]
    holders = {place[:length] for place in places for length in range(len(place))}
    return [error for error in errors if error["type"] != "too_short" or tuple(error["loc"]) not in holders]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _of_http(error: HTTPException, request: Request) -> PlatformError:
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return MissingError("request.path_unknown", f"There is nothing at {request.url.path}.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow", "")
            return RefusedError(
                "request.method_refused",
                f"{request.url.path} does not take {request.method}.",
                mend=f"It takes {allowed}." if allowed else None,
            )
        case HTTPStatus.BAD_REQUEST:
            return InvalidError("request.unreadable", _sentence(str(error.detail)))
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return InvalidError("request.too_large", _sentence(str(error.detail)))
        case HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
            return InvalidError("request.media_type_refused", _sentence(str(error.detail)))
        case _:
            return RefusedError("request.refused", _sentence(str(error.detail)))


async def _on_platform_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatformError)  # noqa: S101 - registered for this class only
    return problem_response(error)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return problem_response(validation_error(list(error.errors())))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    return problem_response(_of_http(error, request), dict(error.headers or {}), status=error.status_code)


async def _on_database_away(request: Request, error: Exception) -> Response:
    log.warning("database away", path=request.url.path, reason=type(error).__name__)
    return problem_response(
        UnavailableError(
            "database.unavailable",
            "The database does not answer. Nothing is known to have been changed.",
            mend="Send the request again in a moment, a checkout with the same Idempotency-Key.",
        )
    )


def register_problems(app: FastAPI) -> None:
    """Every error of every route becomes a problem document."""
    app.add_exception_handler(PlatformError, _on_platform_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for away in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(away, _on_database_away)
