"""Schemathesis sends what the description allows and what it does not: never a server error, answers as described."""

from __future__ import annotations

import pytest
import schemathesis

# loaded with the other tests, not deep inside one: pytest rewrites these modules when they are first imported
import schemathesis.specs.openapi.schemas
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.settings import settings
from web.app import create_app


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_breaks_the_server(placed: sessionmaker[Session], key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHONGTAI_ANSWER_WITHIN_S", "0.05")
    settings.cache_clear()
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", create_app())
    checks = [not_a_server_error, content_type_conformance, response_schema_conformance]
    tried = 0

    def send(case: schemathesis.Case) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate(headers={"authorization": f"Bearer {key}"}, checks=checks)

    short = hypothesis_settings(
        max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    for result in schema.get_all_operations():
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            short(given(result.ok().as_strategy(generation_mode=mode))(send))()
    assert tried > 150
