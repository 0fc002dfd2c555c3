"""Definitions are read exactly, and what cannot be read names its place."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from capabilities.kernel.errors import InvalidError
from workflows.language.definition import Call, Reply, Switch, Undo, Wait, references_in, steps_of
from workflows.language.reading import read_definition, read_yaml
from workflows.language.snapshot import snapshot, snapshot_of_text

GREETING = """
process: greeting
en: Greeting
zh: 问候
input: hall.visit
steps:
  - greet: { call: hall.greet, with: { name: input.name, loud: true, word: { text: hi } }, undo: { call: hall.forget, with: { guest: greet.guest } } }
  - choose:
      switch:
        - when: { field: greet.words, op: eq, value: hello }
          steps:
            - ask: { wait: { event: host.answered, within_s: 60 } }
      otherwise:
        - pause: { wait: { seconds: 5 } }
  - tell: { reply: 200, body: greet }
  - done: { end: greeted }
"""


def test_a_definition_reads_into_typed_steps() -> None:
    read = read_definition(read_yaml(GREETING))
    assert (read.process, read.zh, read.input) == ("greeting", "问候", "hall.visit")
    names = [step.name for step in steps_of(read.steps)]
    assert names == ["greet", "choose", "ask", "pause", "tell", "done"]
    greet, choose, tell, _ = read.steps
    assert isinstance(greet, Call)
    assert greet.undo == Undo("hall.forget", {"guest": "greet.guest"})
    assert list(references_in(greet.request)) == ["input.name"]
    assert isinstance(choose, Switch)
    assert choose.otherwise == (Wait("pause", seconds=5),)
    assert tell == Reply("tell", 200, "greet")


def test_json_is_read_like_yaml() -> None:
    body = yaml.safe_load(GREETING)
    assert read_definition(body) == read_definition(read_yaml(snapshot(body).body))


def test_the_same_text_has_the_same_hash_and_another_text_another() -> None:
    body = yaml.safe_load(GREETING)
    first = snapshot(body)
    assert snapshot_of_text(first.body) == first
    body["en"] = "Another"
    assert snapshot(body).sha256 != first.sha256


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("process: greeting", "process: Greeting!", "definition.process"),
        ("zh: 问候\n", "", "definition.zh"),
        ("- tell: { reply: 200,", "- tell: { reply: 99,", "steps[2].tell.reply"),
        (
            "- tell: { reply: 200, body: greet }",
            "- tell: { reply: 200, body: greet, colour: red }",
            "steps[2].tell.colour",
        ),
        ("- pause: { wait: { seconds: 5 } }", "- greet: { wait: { seconds: 5 } }", "steps[1].choose.otherwise[0]"),
        ("seconds: 5", "seconds: five", "steps[1].choose.otherwise[0].pause.wait.seconds"),
        ("name: input.name", "name: 1 + 1", "steps[0].greet.with.name"),
        ("loud: true", "loud: 1.5", "steps[0].greet.with.loud"),
        ("op: eq", "op: like", "steps[1].choose.switch[0].when.op"),
        ("call: hall.forget", "call: forget", "steps[0].greet.undo.call"),
        ("- done: { end: greeted }", "- done: { end: greeted, reply: 200 }", "steps[3].done"),
        ("- done: { end: greeted }", "- input: { end: greeted }", "steps[3]"),
        ("- done: { end: greeted }", "- done", "steps[3]"),
    ],
)
def test_what_cannot_be_read_names_its_place(old: str, new: str, place: str) -> None:
    assert GREETING.count(old) == 1
    with pytest.raises(InvalidError) as caught:
        read_definition(read_yaml(GREETING.replace(old, new)))
    assert caught.value.details["field"] == place


def test_text_that_is_no_yaml_names_line_and_column() -> None:
    with pytest.raises(InvalidError) as caught:
        read_yaml("process: [unclosed\nsteps: {")
    assert caught.value.details["field"].startswith("line 2, column")


@pytest.mark.parametrize("body", [None, [], "text", {"steps": []}, {"process": 1}])
def test_anything_else_is_an_error_of_the_family(body: Any) -> None:
    with pytest.raises(InvalidError):
        read_definition(body)
