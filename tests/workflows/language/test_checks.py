"""What is wrong with a definition is found before it runs, and said at its step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.workflows import hall
from web.access.contract import Role
from workflows.inputs import ROLES
from workflows.language.checks import Catalogue, check
from workflows.language.reading import read_yaml
from workflows.language.snapshot import snapshot
from workflows.library import library
from workflows.worker import load_operations, whole_catalogue


@pytest.fixture
def catalogue() -> Catalogue:
    load_operations()
    hall.declare()
    whole = whole_catalogue()
    processes = {**whole.processes, "tour": "hall.visit", "visit": "hall.visit"}
    return replace(whole, inputs={**whole.inputs, "hall.visit": hall.Visit}, processes=processes)


def found(text: str, catalogue: Catalogue) -> list[tuple[str, str]]:
    return [(problem.step, problem.code) for problem in check(snapshot(read_yaml(text)), catalogue)]


def test_the_definitions_of_the_product_have_no_problems(catalogue: Catalogue) -> None:
    assert {name: check(each, catalogue) for name, each in library().items()} == {name: [] for name in library()}
    assert {"checkout", "checkout.finance"} <= library().keys()


@pytest.mark.parametrize("text", [hall.VISIT, hall.ASKING, hall.TOUR, hall.NESTED, hall.CONSENT, hall.PARTY])
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


def test_roles_that_may_approve_are_those_people_have() -> None:
    assert {role.value for role in Role} >= ROLES


@pytest.mark.parametrize(
    ("text", "old", "new", "problem"),
    [
        (hall.TOUR, "each: input.names", "each: input.name", ("guests", "type_mismatch")),
        (hall.TOUR, "each: input.names", "each: input.nobody", ("guests", "reference_unknown")),
        (hall.TOUR, "with: { name: guests.item }", "with: { name: guests.index }", ("greet", "type_mismatch")),
        (hall.TOUR, "with: { name: guests.item }", "with: { name: guests.thing }", ("greet", "reference_unknown")),
        (hall.TOUR, "with: { name: guests.item }", "with: { name: seat.status }", ("greet", "reference_unknown")),
        (hall.TOUR, "body: { count: guests.count }", "body: { last: seat.status }", ("tell", "reference_unknown")),
        (hall.TOUR, "- seat: {", "- told: { reply: 200, body: greet }\n      - seat: {", ("told", "in_a_loop")),
        (hall.TOUR, "- seat: {", "- all: { undo: all }\n      - seat: {", ("all", "in_a_loop")),
        (hall.TOUR, "- seat: {", "- ask: { wait: { event: host.answered, within_s: 9 } }\n      - seat: {", ("ask", "in_a_loop")),
        (hall.NESTED, "most: 5", "most: 500", ("again", "unbounded")),
        (hall.CONSENT, "role: approver", "role: butler", ("consent", "role_unknown")),
        (hall.CONSENT, "shows: { guest: greet.guest }", "shows: { guest: greet.hat }", ("consent", "reference_unknown")),
        (hall.CONSENT, "op: eq, value: refuse", "op: eq, value: reject", ("consent", "type_mismatch")),
        (hall.PARTY, "process: tour", "process: walk", ("walk", "process_unknown")),
        (hall.PARTY, "process: tour", "process: party", ("walk", "process_unknown")),
        (hall.PARTY, "with: { name: input.name, names: input.names }", "with: { names: input.names }", ("walk", "field_missing")),
        (hall.PARTY, ", because: the tour undoes itself", "", ("walk", "without_undo")),
    ],
)  # fmt: skip
def test_mistakes_of_loops_approvals_and_parts_are_found(
    text: str, old: str, new: str, problem: tuple[str, str], catalogue: Catalogue
) -> None:
    assert text.count(old) == 1
    assert problem in found(text.replace(old, new), catalogue)


def test_the_item_of_a_loop_is_known_only_inside_of_it(catalogue: Catalogue) -> None:
    text = hall.TOUR.replace(
        "- tell:", "- after: { call: hall.seat, with: { guest: guests.item }, because: a test }\n  - tell:"
    )
    assert found(text, catalogue) == [("after", "may_be_absent")]


def test_what_a_step_asks_for_in_its_condition_is_there_when_it_runs(catalogue: Catalogue) -> None:
    plain = "with: { name: input.name }"
    for condition, problems in (
        ("{ field: input.nick, op: present }", []),
        ("{ all: [{ field: input.nick, op: neq, value: x }] }", []),
        ("{ any: [{ field: input.nick, op: present }] }", ["may_be_absent"]),
        ("{ field: input.nick, op: missing }", ["may_be_absent"]),
    ):
        step = f"- nick: {{ when: {condition}, call: hall.greet, with: {{ name: input.nick }}, because: a test }}"
        text = hall.VISIT.replace("- tell:", f"{step}\n  - tell:")
        assert plain in text
        assert [code for _, code in found(text, catalogue)] == problems
