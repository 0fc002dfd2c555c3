"""Errors of the web: one form for all, nothing leaked, and what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from capabilities.kernel.settings import settings
from tests.web.api.conftest import a_cart, keyed
from web.edge import POLICY
from web.problems import place, validation_error

PROBLEM = "application/problem+json"


def test_a_place_is_written_as_people_write_it() -> None:
    assert place(("body", "lines", 0, "quantity")) == "body.lines[0].quantity"
    assert place(("header", "idempotency-key")) == "header.idempotency-key"


def test_many_wrong_fields_are_told_at_once_and_never_repeated() -> None:
    errors = [
        {"type": "missing", "loc": ("body", f"f{n}"), "msg": "Field required", "input": "secret"} for n in range(60)
    ]
    error = validation_error(errors)
    assert error.message == "60 fields are not as they should be. body.f0: Field required."
    assert len(error.details["errors"]) == 50
    assert "secret" not in str(error.as_dict())


async def test_what_is_not_there_is_a_problem(web: httpx.AsyncClient) -> None:
    answer = await web.get("/nothing/here")
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert answer.json() == {
        "type": "/problems/request.path_unknown",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing at /api/v1/nothing/here.",
        "code": "request.path_unknown",
        "mend": None,
    }


async def test_a_wrong_method_names_the_right_one(web: httpx.AsyncClient) -> None:
    answer = await web.delete("/checkouts")
    assert (answer.status_code, answer.json()["code"]) == (405, "request.method_refused")
    assert answer.headers["allow"] == "POST"
    assert answer.json()["mend"] == "It takes POST."


@pytest.mark.parametrize("content", [b"{", b"", b"[1", b"\xff\xfe"])
async def test_what_is_not_json_is_told_so(shop: httpx.AsyncClient, content: bytes) -> None:
    headers = keyed() | {"content-type": "application/json"}
    answer = await shop.post("/quotes", content=content, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == PROBLEM


async def test_a_body_over_the_limit_is_refused_by_its_stated_length(shop: httpx.AsyncClient) -> None:
    limit = settings().max_body_bytes
    answer = await shop.post("/quotes", content=b" " * (limit + 1), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")
    assert answer.json()["limit_bytes"] == limit


async def test_a_body_over_the_limit_is_refused_without_a_stated_length(shop: httpx.AsyncClient) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    answer = await shop.post("/quotes", content=drip(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


async def test_a_failure_of_ours_tells_nothing_but_an_id(app: FastAPI, web: httpx.AsyncClient) -> None:
    @app.get("/api/v1/broken")
    def broken() -> None:
        raise ZeroDivisionError("the password is hunter2")

    answer = await web.get("/broken", headers={"x-request-id": "my-id-1"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
    assert "hunter2" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "my-id-1"
    assert answer.headers["content-security-policy"] == POLICY


async def test_a_database_that_is_away_is_said_to_be_away(app: FastAPI, web: httpx.AsyncClient) -> None:
    @app.get("/api/v1/away")
    def away() -> None:
        raise OperationalError("SELECT secret", {}, Exception("connection refused"))

    answer = await web.get("/away")
    assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
    assert answer.headers["retry-after"] == "2"
    assert "SELECT" not in answer.text


async def test_every_answer_carries_an_id_and_the_policy(web: httpx.AsyncClient) -> None:
    answer = await web.get("/offers", headers={"x-request-id": "evil\tid"})
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


async def test_the_web_answers_while_temporal_is_away(shop: httpx.AsyncClient, app: FastAPI) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as root:
        assert (await root.get("/healthz")).json() == {"status": "ok"}
        ready = await root.get("/readyz")
    assert (ready.status_code, ready.json()["database"], ready.json()["temporal"]) == (503, "ok", "not configured")
    assert (await shop.get("/offers")).status_code == 200
    accepted = await shop.post("/checkouts", json=a_cart(), headers=keyed())
    assert accepted.status_code == 202
    process = (await shop.get(accepted.headers["location"].removeprefix("/api/v1"))).json()
    assert (process["status"], process["answer"]) == ("starting", None)


async def test_figures_are_for_this_machine_only(app: FastAPI) -> None:
    for host, status in (("127.0.0.1", 200), ("10.0.0.7", 404)):
        transport = httpx.ASGITransport(app=app, client=(host, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as root:
            await root.get("/healthz")
            answer = await root.get("/metrics")
        assert answer.status_code == status
    assert "zhongtai_http_requests_total" not in answer.text


async def test_static_files_are_kept_only_when_they_are_named_by_content(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as root:
        assert "immutable" in (await root.get("/static/api.css?v=abc")).headers["cache-control"]
        plain = await root.get("/static/api.css")
        assert plain.headers["cache-control"] == "no-cache"
        same = await root.get("/static/api.css", headers={"if-none-match": plain.headers["etag"]})
        assert same.status_code == 304
        assert (await root.get("/static/../app.py")).status_code == 404
