"""The OpenAPI document: FastAPI's, with errors as what they are, problem documents."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from workflows.problems import PROBLEM_TYPE

Json = dict[str, Any]

PROBLEM = "#/components/schemas/Problem"


def with_problems(document: Json) -> Json:
    """Every error answer of the document in its own media type, and none of FastAPI's own form left."""
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"] = {
                status: _as_problem(answer) if int(status) >= 400 else answer
                for status, answer in operation["responses"].items()
            }
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


def _as_problem(answer: Json) -> Json:
    return answer | {"content": {PROBLEM_TYPE: {"schema": {"$ref": PROBLEM}}}}


class DescribedApp(FastAPI):
    """A FastAPI application whose description says that errors are problem documents."""

    def openapi(self) -> Json:
        if self.openapi_schema is None:
            self.openapi_schema = with_problems(super().openapi())
        return self.openapi_schema
