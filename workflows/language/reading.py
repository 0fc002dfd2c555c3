"""Read a definition from YAML text or a JSON value. Every error names its place, such as `steps[3].open.undo.call`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from capabilities.kernel.expression import Condition, condition_from_json
from workflows.language.definition import (
    YEAR_S,
    Approval,
    Branch,
    Call,
    Decide,
    Definition,
    End,
    ForEach,
    KeepAll,
    Raise,
    Reply,
    Step,
    SubProcess,
    Switch,
    Undo,
    UndoAll,
    Wait,
    is_text,
    unreadable,
)

MAX_STEPS = 200
MAX_DEPTH = 6
MAX_TIMES = 1_000
"""How often a loop may go round."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DOTTED = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_REFERENCE = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)*")
RESERVED = frozenset({"input", "run"})
DECISIONS = ("approve", "refuse")
"""How an approval can be decided."""


def read_yaml(text: str) -> dict[str, Any]:
    """The body of a definition written in YAML (or JSON, which YAML contains)."""
    try:
        body = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "text"
        raise unreadable("this is not YAML.", at, "Check the indentation and the brackets there.") from error
    if not isinstance(body, dict):
        raise unreadable("a definition is a mapping.", "text", "Begin with `process:`.")
    return body


def read_definition(body: Any) -> Definition:
    """The typed definition. Raises `InvalidError` whose `field` names the place."""
    place = _Place(body, "definition")
    place.only("process", "en", "zh", "input", "subject", "steps")
    names: set[str] = set()
    return Definition(
        process=place.name("process"),
        en=place.text("en"),
        zh=place.text("zh"),
        input=place.dotted("input"),
        subject=place.reference("subject") if "subject" in place.body else None,
        steps=_steps(place.body.get("steps"), "steps", names, 0),
    )


class _Place:
    """A mapping and where it stands."""

    def __init__(self, body: Any, at: str) -> None:
        if not isinstance(body, dict):
            raise unreadable("here a mapping is expected.", at)
        self.body: dict[str, Any] = body
        self.at = at

    def only(self, *allowed: str) -> None:
        for key in self.body:
            if key not in allowed:
                raise unreadable(
                    f"{key!r} is not known here.", f"{self.at}.{key}", f"Known: {', '.join(sorted(allowed))}."
                )

    def text(self, key: str) -> str:
        value = self.body.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > 500:
            raise unreadable("a text of at most 500 characters is expected.", f"{self.at}.{key}")
        return value

    def _matching(self, key: str, pattern: re.Pattern[str], meant: str) -> str:
        value = self.body.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise unreadable(f"{value!r} is not {meant}.", f"{self.at}.{key}")
        return value

    def name(self, key: str) -> str:
        return self._matching(key, _NAME, "a name such as `greeting`")

    def dotted(self, key: str) -> str:
        return self._matching(key, _DOTTED, "a name such as `payment.authorize`")

    def reference(self, key: str) -> str:
        return self._matching(key, _REFERENCE, "a reference such as `input.buyer_id`")

    def whole(self, key: str, low: int, high: int) -> int:
        value = self.body.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise unreadable(f"a whole number from {low} to {high} is expected.", f"{self.at}.{key}")
        return value

    def binding(self, key: str) -> Any:
        return _binding(self.body.get(key), f"{self.at}.{key}", 0)

    def condition(self, key: str = "when") -> Condition | None:
        if key not in self.body:
            return None
        return condition_from_json(self.body[key], at=f"{self.at}.{key}")


def _binding(value: Any, at: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise unreadable(f"bindings nest at most {MAX_DEPTH} levels.", at)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        if not _REFERENCE.fullmatch(value):
            raise unreadable(f"{value!r} is not a reference.", at, "Write a literal text as `{ text: … }`.")
        return value
    if is_text(value):
        return value
    if isinstance(value, dict):
        return {str(key): _binding(part, f"{at}.{key}", depth + 1) for key, part in value.items()}
    if isinstance(value, list):
        return [_binding(part, f"{at}[{i}]", depth + 1) for i, part in enumerate(value)]
    raise unreadable("references, whole numbers, booleans, null, lists and mappings can be bound.", at)


def _steps(body: Any, at: str, names: set[str], depth: int) -> tuple[Step, ...]:
    if not isinstance(body, list) or not body:
        raise unreadable("a list of steps is expected.", at)
    if depth > MAX_DEPTH:
        raise unreadable(f"steps nest at most {MAX_DEPTH} levels.", at)
    return tuple(_step(part, f"{at}[{i}]", names, depth) for i, part in enumerate(body))


def _step(body: Any, at: str, names: set[str], depth: int) -> Step:
    if not isinstance(body, dict) or len(body) != 1:
        raise unreadable("a step is one name with its body.", at, "Write `- name: { call: … }`.")
    name, inner = next(iter(body.items()))
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RESERVED:
        raise unreadable(f"{name!r} is not a name for a step.", at)
    if name in names:
        raise unreadable(f"the name {name!r} is taken by an earlier step.", at, "Give each step its own name.")
    names.add(name)
    if len(names) > MAX_STEPS:
        raise unreadable(f"a process has at most {MAX_STEPS} steps.", at)
    place = _Place(inner, f"{at}.{name}")
    kinds = [kind for kind in _READERS if kind in place.body]
    # `undo` is a step of its own only where it does not stand beside a call
    if "call" in kinds or "process" in kinds:
        kinds = [kind for kind in kinds if kind != "undo"]
    if len(kinds) != 1:
        raise unreadable("a step is exactly one of: " + ", ".join(_READERS) + ".", place.at)
    if kinds[0] == "switch":
        return _switch(name, place, names, depth)
    if kinds[0] == "for":
        return _for(name, place, names, depth)
    return _READERS[kinds[0]](name, place)


def _call(name: str, place: _Place) -> Step:
    place.only("call", "with", "undo", "because", "when", "refused")
    undo, because = _undone_by(place)
    refused = place.body.get("refused")
    if refused not in (None, "park", "insist"):
        raise unreadable(
            "what a step refuses ends the run, unless `refused` says `park` or `insist`.", f"{place.at}.refused"
        )
    parks, insists = refused is not None, refused == "insist"
    return Call(name, place.dotted("call"), place.binding("with"), undo, because, place.condition(), parks, insists)


def _sub_process(name: str, place: _Place) -> Step:
    place.only("process", "with", "undo", "because", "when")
    undo, because = _undone_by(place)
    return SubProcess(name, place.name("process"), place.binding("with"), undo, because, place.condition())


def _undone_by(place: _Place) -> tuple[Undo | None, str | None]:
    undo: Undo | None = None
    if place.body.get("undo", "none") != "none":
        inner = _Place(place.body["undo"], f"{place.at}.undo")
        inner.only("call", "with")
        undo = Undo(inner.dotted("call"), inner.binding("with"))
    return undo, place.text("because") if "because" in place.body else None


def _decide(name: str, place: _Place) -> Step:
    place.only("decide", "with", "when")
    return Decide(name, place.dotted("decide"), place.binding("with"), place.condition())


def _reply(name: str, place: _Place) -> Step:
    place.only("reply", "body", "when")
    return Reply(name, place.whole("reply", 200, 599), place.binding("body"), place.condition())


def _raise(name: str, place: _Place) -> Step:
    place.only("raise", "status", "message", "mend", "reason", "outcome", "details", "when")
    return Raise(
        name,
        place.dotted("raise"),
        place.whole("status", 400, 599),
        place.text("message"),
        place.name("outcome"),
        place.reference("reason") if "reason" in place.body else None,
        place.binding("details"),
        place.condition(),
        place.text("mend") if "mend" in place.body else None,
    )


def _undo(name: str, place: _Place) -> Step:
    place.only("undo", "when")
    if place.body["undo"] != "all":
        raise unreadable("as a step of its own, undo says `all`.", f"{place.at}.undo")
    return UndoAll(name, place.condition())


def _keep(name: str, place: _Place) -> Step:
    place.only("keep", "when")
    if place.body["keep"] != "all":
        raise unreadable("keep says `all`.", f"{place.at}.keep")
    return KeepAll(name, place.condition())


def _wait(name: str, place: _Place) -> Step:
    place.only("wait", "when")
    inner = _Place(place.body["wait"], f"{place.at}.wait")
    if "seconds" in inner.body:
        inner.only("seconds")
        if isinstance(inner.body["seconds"], str):
            return Wait(name, seconds_of=inner.dotted("seconds"), when=place.condition())
        return Wait(name, seconds=inner.whole("seconds", 1, YEAR_S), when=place.condition())
    inner.only("event", "within_s")
    within = inner.whole("within_s", 1, YEAR_S) if "within_s" in inner.body else None
    return Wait(name, event=inner.dotted("event"), within_s=within, when=place.condition())


def _end(name: str, place: _Place) -> Step:
    place.only("end", "when")
    return End(name, place.name("end"), place.condition())


def _switch(name: str, place: _Place, names: set[str], depth: int) -> Step:
    place.only("switch", "otherwise", "when")
    ways = place.body["switch"]
    if not isinstance(ways, list) or not ways:
        raise unreadable("a list of ways is expected, each with `when` and `steps`.", f"{place.at}.switch")
    branches = []
    for i, way in enumerate(ways):
        inner = _Place(way, f"{place.at}.switch[{i}]")
        inner.only("when", "steps")
        condition = inner.condition()
        if condition is None:
            raise unreadable("a way of a switch has `when`.", inner.at, "Put what always holds under `otherwise`.")
        branches.append(Branch(condition, _steps(inner.body.get("steps"), f"{inner.at}.steps", names, depth + 1)))
    otherwise: tuple[Step, ...] = ()
    if "otherwise" in place.body:
        otherwise = _steps(place.body["otherwise"], f"{place.at}.otherwise", names, depth + 1)
    return Switch(name, tuple(branches), otherwise, place.condition())


def _for(name: str, place: _Place, names: set[str], depth: int) -> Step:
    place.only("for", "steps", "when")
    inner = _Place(place.body["for"], f"{place.at}.for")
    inner.only("each", "most")
    steps = _steps(place.body.get("steps"), f"{place.at}.steps", names, depth + 1)
    return ForEach(name, inner.reference("each"), inner.whole("most", 1, MAX_TIMES), steps, place.condition())


def _approval(name: str, place: _Place) -> Step:
    place.only("approval", "when")
    inner = _Place(place.body["approval"], f"{place.at}.approval")
    inner.only("role", "within_s", "otherwise", "shows")
    otherwise = inner.name("otherwise")
    if otherwise not in DECISIONS:
        raise unreadable(f"`otherwise` is one of {', '.join(DECISIONS)}.", f"{inner.at}.otherwise")
    return Approval(
        name,
        inner.name("role"),
        inner.whole("within_s", 1, YEAR_S),
        otherwise,
        inner.binding("shows"),
        place.condition(),
    )


def _no_block_here(name: str, place: _Place) -> Step:
    raise unreadable(f"{name} cannot stand here.", place.at)


_READERS: dict[str, Callable[[str, _Place], Step]] = {
    "call": _call,
    "decide": _decide,
    "switch": _no_block_here,
    "for": _no_block_here,
    "approval": _approval,
    "process": _sub_process,
    "reply": _reply,
    "raise": _raise,
    "undo": _undo,
    "keep": _keep,
    "wait": _wait,
    "end": _end,
}
