"""A process drawn: the definition laid out from top to bottom, the path a run took over it. Geometry only; SVG in the template."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from workflows.language.definition import (
    Approval,
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
    UndoAll,
    Wait,
    steps_of,
)

WIDTH = 208
HEIGHT = 34
GAP = 16
INDENT = 34
MARGIN = 14


@dataclass(frozen=True, slots=True)
class Node:
    """One step as a shape: where, of which kind, and how the run left it."""

    name: str
    label: str
    kind: str
    x: int
    y: int
    width: int
    state: str
    is_current: bool
    attempt: int
    has_undo: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from one shape to the next; `taken` where the run went."""

    path: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Passed:
    """What a run did at a step: its status and attempts."""

    status: str
    attempt: int = 1


class _Pen:
    """Lays steps out one below the other; what is inside a switch or a loop stands indented beside its line."""

    def __init__(self, passed: Mapping[str, Passed], current: str | None, labels: Mapping[str, str]) -> None:
        self.passed, self.current, self.labels = passed, current, labels
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.y = MARGIN

    def trace(self) -> None:
        """The way the run went: straight through whatever it passed over."""
        went = [node for node in self.nodes if node.state != "not_taken"]
        for start, end in itertools.pairwise(went):
            self._edge(start, end, taken=True)

    def draw(self, steps: tuple[Step, ...], depth: int, before: Node | None) -> Node | None:
        last = before
        for step in steps:
            node = self._node(step, depth)
            if last is not None:
                self._edge(last, node)
            self.nodes.append(node)
            self.y += HEIGHT + GAP
            if isinstance(step, Switch):
                for branch in step.branches:
                    self.draw(branch.steps, depth + 1, node)
                self.draw(step.otherwise, depth + 1, node)
            elif isinstance(step, ForEach):
                self.draw(step.steps, depth + 1, node)
            last = node
        return last

    def _node(self, step: Step, depth: int) -> Node:
        found = self.passed.get(step.name)
        inner = isinstance(step, Switch | ForEach) and any(inside.name in self.passed for inside in steps_of((step,)))
        state = found.status if found else "passed" if inner else "not_taken"
        return Node(
            name=step.name,
            label=self.labels.get(step.name, step.name.replace("_", " ")),
            kind=_KINDS[type(step)],
            x=MARGIN + depth * INDENT,
            y=self.y,
            width=WIDTH,
            state=state,
            is_current=step.name == self.current,
            attempt=found.attempt if found else 1,
            has_undo=isinstance(step, Call | SubProcess) and step.undo is not None,
        )

    def _edge(self, start: Node, end: Node, *, taken: bool = False) -> None:
        x0, x1 = start.x + 18, end.x + 18
        top, bottom = start.y + HEIGHT, end.y
        if x0 == x1:
            self.edges.append(Edge(f"M{x0} {top}V{bottom}", taken))
        elif x1 > x0:
            self.edges.append(Edge(f"M{x0} {top}V{bottom + HEIGHT // 2}H{end.x}", taken))
        else:
            self.edges.append(Edge(f"M{x1} {top}V{bottom}", taken))


_KINDS: dict[type, str] = {
    Call: "call",
    Decide: "decide",
    Switch: "switch",
    Reply: "reply",
    Raise: "raise",
    UndoAll: "undo",
    KeepAll: "keep",
    Wait: "wait",
    End: "end",
    ForEach: "for",
    Approval: "approval",
    SubProcess: "process",
}


def draw(
    definition: Definition, passed: Mapping[str, Passed], current: str | None, labels: Mapping[str, str]
) -> Drawing:
    """The whole definition with what the run passed. `labels` by step name."""
    pen = _Pen(passed, current, labels)
    pen.draw(definition.steps, 0, None)
    pen.trace()
    width = max((node.x + node.width for node in pen.nodes), default=WIDTH) + MARGIN
    return Drawing(tuple(pen.nodes), tuple(pen.edges), width, pen.y - GAP + MARGIN)
