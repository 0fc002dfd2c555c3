"""The reference for people: the OpenAPI document as one plain page, without script."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

router = APIRouter(include_in_schema=False)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a field of a body, as a row of a table."""

    name: str
    where: str
    type: str
    is_required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of the API."""

    anchor: str
    method: str
    path: str
    summary: str
    text: str
    fields: tuple[Field, ...]
    example: str | None
    answers: tuple[tuple[str, str], ...]


@router.get("/openapi", response_class=RedirectResponse)
def read_openapi_page() -> str:
    """Where people look first."""
    return "/api/v1/reference"


@router.get("/reference")
def read_reference(request: Request) -> HTMLResponse:
    document: Json = request.app.openapi()
    groups = [(tag["name"], tag["description"], endpoints_of(document, tag["name"])) for tag in document["tags"]]
    text = _templates().get_template("api/reference.html").render(info=document["info"], groups=groups)
    return HTMLResponse(text, headers={"cache-control": "no-cache"})


@lru_cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def endpoints_of(document: Json, tag: str) -> list[Endpoint]:
    """The operations of a tag, as the page shows them."""
    return [
        _endpoint(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag in operation.get("tags", ())
    ]


def _endpoint(document: Json, method: str, path: str, operation: Json) -> Endpoint:
    fields = [
        Field(
            each["name"],
            each["in"],
            type_of(each["schema"]),
            bool(each.get("required")),
            str(each.get("description", "")),
        )
        for each in operation.get("parameters", ())
    ]
    body = operation.get("requestBody")
    schema = resolved(document, body["content"]["application/json"]["schema"]) if body else None
    if schema is not None:
        required = schema.get("required", ())
        fields += [
            Field(name, "body", type_of(each), name in required, str(each.get("description", "")))
            for name, each in schema["properties"].items()
        ]
    return Endpoint(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        text=operation.get("description", ""),
        fields=tuple(fields),
        example=json.dumps(example_of(document, schema), indent=2, ensure_ascii=False) if schema else None,
        answers=tuple((status, str(each["description"])) for status, each in sorted(operation["responses"].items())),
    )


def resolved(document: Json, schema: Json) -> Json:
    """The schema a reference points to."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Json = document["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    return found


def type_of(schema: Json) -> str:
    """A schema's type in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_of(each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def example_of(document: Json, schema: Json) -> Any:
    """An example body put together from the examples of its fields; fields without one, or null by nature, are left out."""
    schema = resolved(document, schema)
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("type") == "object" and "properties" in schema:
        made = {name: example_of(document, each) for name, each in schema["properties"].items()}
        return {name: value for name, value in made.items() if value is not None}
    if schema.get("type") == "array":
        inner = example_of(document, schema.get("items", {}))
        return [] if inner is None else [inner]
    return schema.get("default")
