"""The flat plan walks as the nested definition reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.expression import condition_from_json
from workflows.language.bind import bind, condition_holds, look_up
from workflows.language.definition import End, Raise
from workflows.language.plan import Plan, plan_of
from workflows.language.snapshot import snapshot

FORK = """
process: forked
en: Forked
zh: 分支
input: hall.visit
subject: first.id
steps:
  - first: { call: hall.greet, with: { name: input.name } }
  - ways:
      switch:
        - when: { field: first.way, op: eq, value: left }
          steps:
            - left: { call: hall.seat, with: { guest: first.id } }
        - when: { field: first.way, op: eq, value: right }
          steps:
            - right: { call: hall.seat, with: { guest: input.name } }
            - stop: { when: { field: right.full, op: eq, value: true }, raise: hall.full, status: 409, message: Full., outcome: full }
      otherwise:
        - straight: { wait: { seconds: 1 } }
  - after: { when: { field: left.status, op: present }, call: hall.rise, with: { guest: left.status } }
  - done: { end: finished }
"""


@pytest.fixture
def plan() -> Plan:
    return plan_of(snapshot(yaml.safe_load(FORK)))


def walk(plan: Plan, answers: dict[str, Any]) -> list[str]:
    """The steps a run takes when its steps answer so."""
    cursor, values, way = 0, {"input": {"name": "Ann"}}, []
    while True:
        cursor, step = plan.next_step(cursor, values)
        if step is None:
            return way
        way.append(step.name)
        if isinstance(step, End | Raise):
            return way
        values = {**values, step.name: answers.get(step.name, {})}
        cursor += 1


@pytest.mark.parametrize(
    ("answers", "way"),
    [
        ({"first": {"way": "left"}, "left": {"status": "ok"}}, ["first", "left", "after", "done"]),
        ({"first": {"way": "left"}}, ["first", "left", "done"]),
        ({"first": {"way": "right"}}, ["first", "right", "done"]),
        ({"first": {"way": "right"}, "right": {"full": True}}, ["first", "right", "stop"]),
        ({"first": {"way": "up"}}, ["first", "straight", "done"]),
        ({}, ["first", "straight", "done"]),
    ],
)
def test_a_run_takes_the_way_its_answers_lead(plan: Plan, answers: dict[str, Any], way: list[str]) -> None:
    assert walk(plan, answers) == way


def test_only_what_later_steps_ask_for_is_carried_on(plan: Plan) -> None:
    values = {"input": {"name": "Ann"}, "first": {"id": 1}, "left": {"status": "ok"}, "other": 1}
    last = len(plan.instructions) - 1
    assert plan.live_values(0, values).keys() == {"input", "first", "left"}
    assert plan.live_values(last, values) == {"first": {"id": 1}}  # the subject is always known


def test_bindings_take_references_and_leave_literals() -> None:
    values = {"input": {"name": "Ann", "lines": [1, 2]}, "first": {"id": 7}}
    binding = {
        "who": "input.name",
        "n": 3,
        "flag": False,
        "none": None,
        "word": {"text": "input.name"},
        "all": ["first.id", 1],
    }
    assert bind(binding, values) == {
        "who": "Ann",
        "n": 3,
        "flag": False,
        "none": None,
        "word": "input.name",
        "all": [7, 1],
    }
    assert bind("input", values) == values["input"]
    assert look_up("first.id.deeper", values) is None
    assert look_up("nowhere.at.all", values) is None


def test_a_condition_on_a_step_that_did_not_run_is_false() -> None:
    condition = condition_from_json({"field": "review.decision", "op": "neq", "value": "release"})
    assert not condition_holds(condition, {"input": {}})
    assert condition_holds(condition, {"review": {"decision": "reject"}})


@given(
    st.dictionaries(
        st.sampled_from(["first", "left", "right"]),
        st.dictionaries(st.sampled_from(["way", "full", "status"]), st.sampled_from(["left", "right", True, None])),
    )
)
def test_every_run_ends(answers: dict[str, Any]) -> None:
    way = walk(plan_of(snapshot(yaml.safe_load(FORK))), answers)
    assert way[-1] in {"done", "stop"}
    assert len(way) == len(set(way))
