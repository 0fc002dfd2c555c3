"""The edge of the web: what every request gets whatever answers it.

One ASGI layer: a request id, security headers, a limit on the body, one line of log, metrics, and a 500 that tells
nothing but that id. The first registered answers last: nothing leaves without it.
"""

from __future__ import annotations

import re
import time
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capabilities.kernel.ids import new_id
from web.problems import problem_response, server_error, too_large

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types htmx"
)
"""No inline script or style anywhere, nothing from elsewhere, htmx's one Trusted Types policy."""

SECURITY_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SILENT = ("/healthz", "/readyz", "/metrics", "/static/")

log = structlog.get_logger("web.access")

REQUESTS = Counter("zhongtai_http_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram(
    "zhongtai_http_request_seconds",
    "Time to answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15),
)
RUNNING = Gauge("zhongtai_http_requests_running", "Requests being answered now")


class Edge:
    """The ASGI layer. `max_body_bytes` holds for bodies with and without a stated length."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        begun = time.perf_counter()
        answer: dict[str, Any] = {"status": 0}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                self._add_headers(MutableHeaders(scope=message), scope, request_id)
            await send(message)

        RUNNING.inc()
        try:
            await self._answer(scope, receive, send_with_headers, headers, answer)
        finally:
            RUNNING.dec()
            self._account(scope, answer["status"], time.perf_counter() - begun)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, answer: dict[str, Any]
    ) -> None:
        stated = headers.get("content-length", "")
        if stated.isdigit() and int(stated) > self.max_body_bytes:
            await problem_response(too_large(self.max_body_bytes))(scope, receive, send)
            return
        read = 0

        async def receive_within_limit() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.max_body_bytes:
                raise HTTPException(413, f"The body is larger than {self.max_body_bytes:,} bytes")
            return message

        try:
            await self.app(scope, receive_within_limit, send)
        except Exception:
            log.exception("failed", path=scope["path"], request_id=scope["state"]["request_id"])
            if answer["status"]:
                raise
            await problem_response(server_error(scope["state"]["request_id"]))(scope, receive, send)

    @staticmethod
    def _add_headers(headers: MutableHeaders, scope: Scope, request_id: str) -> None:
        headers["x-request-id"] = request_id
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("cache-control", "no-store")
        if scope.get("scheme") == "https":
            headers.setdefault("strict-transport-security", "max-age=31536000; includeSubDomains")
        if "server" in headers:
            del headers["server"]

    @staticmethod
    def _account(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        REQUESTS.labels(scope["method"], route, str(status)).inc()
        SECONDS.labels(scope["method"], route).observe(seconds)
        if not scope["path"].startswith(_SILENT):
            log.info(
                "answered",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(seconds * 1000, 1),
                request_id=scope["state"]["request_id"],
                client=scope["state"].get("client_id"),
            )
