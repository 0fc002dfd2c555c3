"""Errors as HTTP answers (RFC 9457): one builder for the web and for the replies of refused runs."""

from __future__ import annotations

import json
from typing import Any

from capabilities.kernel.errors import ErrorKind, PlatformError

STATUS: dict[ErrorKind, int] = {
    ErrorKind.MISSING: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.REFUSED: 409,
    ErrorKind.INVALID: 422,
    ErrorKind.UNAVAILABLE: 503,
}
_TITLES: dict[int, str] = {
    400: "Bad request",
    401: "Not signed in",
    402: "Payment declined",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
    413: "Too large",
    422: "Invalid request",
    429: "Too many requests",
    500: "Server error",
    503: "Unavailable for the moment",
}
PROBLEM_TYPE = "application/problem+json"
_OWN = frozenset({"type", "title", "status", "detail", "code", "mend"})


def status_of(error: PlatformError | dict[str, Any]) -> int:
    """The HTTP status of an error: its own where a step gave one, else by its kind."""
    body = error.as_dict() if isinstance(error, PlatformError) else error
    return int(body.get("status") or STATUS[ErrorKind(body["kind"])])


def problem(error: PlatformError | dict[str, Any], status: int | None = None) -> dict[str, Any]:
    """The problem body of an error: type, title, status, detail, code, mend and the error's own details."""
    body = error.as_dict() if isinstance(error, PlatformError) else error
    status = status or status_of(body)
    details = {key: value for key, value in (body.get("details") or {}).items() if key not in _OWN}
    return {
        "type": f"/problems/{body['code']}",
        "title": _TITLES.get(status, "Problem"),
        "status": status,
        "detail": body["message"],
        "code": body["code"],
        "mend": body.get("mend"),
        **details,
    }


def json_text(body: Any) -> str:
    """The one way bodies become text: compact, UTF-8, keys in their order."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
