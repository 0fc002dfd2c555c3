"""What is wrong with a definition is found before it runs, and said at its step."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from activities.catalogue import operations
from activities.deciding import Decided
from capabilities.kernel.decision import decisions
from tests.workflows import hall
from workflows.inputs import INPUTS
from workflows.language.checks import Catalogue, check
from workflows.language.reading import read_yaml
from workflows.language.snapshot import snapshot
from workflows.library import library
from workflows.worker import load_operations


class Visit(BaseModel):
    name: str
    nick: str | None = None
    age: int = 0


@pytest.fixture
def catalogue() -> Catalogue:
    load_operations()
    hall.declare()
    return Catalogue(operations(), decisions(), {**INPUTS, "hall.visit": Visit}, Decided)


def found(text: str, catalogue: Catalogue) -> list[tuple[str, str]]:
    return [(problem.step, problem.code) for problem in check(snapshot(read_yaml(text)), catalogue)]


def test_the_definitions_of_the_product_have_no_problems(catalogue: Catalogue) -> None:
    assert {name: check(each, catalogue) for name, each in library().items()} == {
        "checkout": [],
        "checkout.finance": [],
    }


@pytest.mark.parametrize("text", [hall.VISIT, hall.ASKING])
def test_the_definitions_of_the_tests_have_none_either(text: str, catalogue: Catalogue) -> None:
    assert found(text, catalogue) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("input: hall.visit", "input: hall.unknown", ("", "input_unknown")),
        ("call: hall.seat", "call: hall.dance", ("seat", "operation_unknown")),
        ("call: hall.rise", "call: hall.dance", ("seat", "operation_unknown")),
        ("with: { name: input.name }", "with: { name: input.surname }", ("greet", "reference_unknown")),
        ("with: { name: input.name }", "with: { name: input.nick }", ("greet", "may_be_absent")),
        ("with: { name: input.name }", "with: { name: input.age }", ("greet", "type_mismatch")),
        ("with: { name: input.name }", "with: { name: 3 }", ("greet", "type_mismatch")),
        ("with: { name: input.name }", "with: { nom: input.name, name: input.name }", ("greet", "field_unknown")),
        ("with: { name: input.name }", "with: { }", ("greet", "field_missing")),
        ("with: { name: input.name }", "with: { name: seat.status }", ("greet", "reference_unknown")),
        ("undo: { call: hall.rise, with: { guest: greet.guest } }", "undo: none", ("seat", "without_undo")),
        ("undo: { call: hall.go_back, with: { guest: greet.guest } }", "undo: { call: hall.go_back, with: { guest: pass.status } }", ("pass", "reference_unknown")),
        ("{ field: pass.status, op: eq, value: shut }", "{ field: pass.colour, op: eq, value: shut }", ("pass", "reference_unknown")),
        ("{ field: pass.status, op: eq, value: shut }", "{ field: pass.status, op: eq, value: 3 }", ("pass", "type_mismatch")),
        ("- done: { end: seated }", "- late: { wait: { seconds: 1 } }", ("", "without_end")),
        ("- tell:", "- early: { end: early }\n  - tell:", ("tell", "unreachable")),
        ("- tell:", "- ask: { wait: { event: host.answered } }\n  - tell:", ("ask", "without_limit")),
        ("subject: greet.guest", "subject: input.age", ("", "type_mismatch")),
    ],
)  # fmt: skip
def test_each_mistake_is_found_at_its_step(old: str, new: str, problem: tuple[str, str], catalogue: Catalogue) -> None:
    assert hall.VISIT.count(old) == 1
    assert problem in found(hall.VISIT.replace(old, new), catalogue)


def test_a_step_that_may_not_have_run_may_not_be_asked_for(catalogue: Catalogue) -> None:
    text = hall.VISIT.replace(
        "- seat: { call: hall.seat, with: { guest: greet.guest }",
        "- maybe: { when: { field: input.age, op: gt, value: 3 }, call: hall.seat, with: { guest: greet.guest }, because: a test }\n"
        "  - seat: { call: hall.seat, with: { guest: maybe.status }",
    )
    assert found(text, catalogue) == [("seat", "may_be_absent")]
