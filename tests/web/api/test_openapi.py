"""The description of the API: true, whole, and with examples that hold."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI
from markupsafe import escape

from web.api.contracts import CheckoutBody, QuoteBody
from web.api.reference import endpoints_of, example_of
from web.app import create_app

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    return create_app().openapi()


def operations(document: Json) -> list[tuple[str, str, Json]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_says_what_it_is_and_what_can_go_wrong(document: Json) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert set(operation["tags"]) <= tags
        assert operation["security"] == [{"ApiKey": []}], (method, path)
        assert {"401", "403", "422", "429", "503"} <= set(operation["responses"]), (method, path)
        if "{" in path:
            assert "404" in operation["responses"], (method, path)


def test_errors_are_described_as_problem_documents(document: Json) -> None:
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_a_checkout_describes_all_its_answers(document: Json) -> None:
    answers = document["paths"]["/api/v1/checkouts"]["post"]["responses"]
    assert set(answers) == {"201", "202", "401", "402", "403", "409", "413", "422", "429", "503"}
    assert "Location" in answers["202"]["headers"]


def test_only_the_api_is_described(document: Json) -> None:
    assert all(path.startswith("/api/v1/") for path in document["paths"])


@pytest.mark.parametrize(("path", "body"), [("/api/v1/quotes", QuoteBody), ("/api/v1/checkouts", CheckoutBody)])
def test_the_example_of_a_body_holds_the_schema_and_the_type(document: Json, path: str, body: type[QuoteBody]) -> None:
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    example = example_of(document, schema)
    assert example["lines"] == [{"sku": "RT-TEA-001", "quantity": 2}]
    jsonschema.validate(example, schema | {"components": document["components"]})
    body.model_validate(example)


def test_every_single_example_holds_its_own_schema(document: Json) -> None:
    checked = 0
    for schema in document["components"]["schemas"].values():
        for described in schema.get("properties", {}).values():
            for example in described.get("examples", ()):
                jsonschema.validate(example, described | {"components": document["components"]})
                checked += 1
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            for example in parameter["schema"].get("examples", ()):
                jsonschema.validate(example, parameter["schema"])
    assert checked > 20


async def test_the_reference_shows_every_operation_without_script(app: FastAPI, document: Json) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", follow_redirects=True) as root:
        page = await root.get("/api/v1/openapi")
        assert (await root.get("/api/v1/openapi.json")).json() == document
    assert page.status_code == 200
    for tag in document["tags"]:
        for endpoint in endpoints_of(document, tag["name"]):
            assert f"<code>{endpoint.path}</code>" in page.text
            assert escape(endpoint.summary) in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
