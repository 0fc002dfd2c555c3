"""Who may stand beside whom: declared pairs and exclusive rules as a graph, resolved in one pass.

For a pair x excludes y the edge runs from the higher priority to the lower, with equal priorities as declared. A rule
without a living excluder is admitted and strikes what it excludes; a cycle is broken by its first member by priority and
listed order, which strikes the rest of its rivals, so that no two rules that exclude each other ever both stand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from capabilities.marketing.contract import FiredRule


def rank(rule: FiredRule) -> tuple[int, int]:
    """Sorts rules by priority, the highest number first, then by their stored position."""
    return -rule.priority, rule.position


def admit(
    fired: Sequence[FiredRule], exclusive: Literal["wins", "by_priority"] = "wins"
) -> tuple[list[FiredRule], dict[str, str]]:
    """The rules that stand, by rank, and for each rule that was struck the id of the rule that struck it."""
    contest = _Contest(sorted(fired, key=rank))
    everyone = range(len(contest.rules))
    if exclusive == "wins":
        contest.resolve(everyone)
    else:
        # every edge runs from a higher priority to a lower or equal one: one layer of equals after the other
        for _, layer in groupby(everyone, key=lambda i: contest.rules[i].priority):
            contest.resolve_below(list(layer))
    return [contest.rules[i] for i in sorted(contest.admitted)], {
        contest.rules[i].rule_id: contest.rules[by].rule_id for i, by in contest.struck.items()
    }


class _Contest:
    """Rules by rank as numbers; edges between them; who stands and who was struck by whom."""

    def __init__(self, rules: Sequence[FiredRule]) -> None:
        self.rules = rules
        self.admitted: dict[int, None] = {}
        self.struck: dict[int, int] = {}
        self.out: list[set[int]] = [set() for _ in rules]
        self.into: list[set[int]] = [set() for _ in rules]
        self.alone: int | None = None
        numbers = {rule.rule_id: i for i, rule in enumerate(rules)}
        for i, rule in enumerate(rules):
            for other in rule.excludes:
                j = numbers.get(other)
                if j is not None and j != i:
                    from_, to = (j, i) if rules[j].priority > rule.priority else (i, j)
                    self.out[from_].add(to)
                    self.into[to].add(from_)

    def resolve_below(self, layer: list[int]) -> None:
        """A layer of equal priority, under those already admitted: an exclusive rule cannot stand beside them."""
        if self.alone is not None:
            self._strike(layer, self.alone)
        elif self.admitted:
            self._strike([i for i in layer if self._is_exclusive(i)], next(iter(self.admitted)))
        self.resolve(layer)

    def resolve(self, members: Sequence[int]) -> None:
        """Decide all members: first the exclusive ones, then the declared pairs."""
        living = [i for i in members if i not in self.struck]
        exclusive = next((i for i in living if self._is_exclusive(i)), None)
        if exclusive is not None:
            rivals = self._living_ancestors(exclusive)
            first = min(rivals | {exclusive})
            self._admit(first)
            if first == exclusive:
                self.alone = exclusive
                self._strike([i for i in living if i != first], first)
                return
            # a declared excluder of higher rank stands; no exclusive rule can stand beside it
            self._strike([i for i in living if self._is_open(i) and self._is_exclusive(i)], first)
        self._resolve_pairs([i for i in living if self._is_open(i)])

    def _resolve_pairs(self, members: list[int]) -> None:
        open_ = dict.fromkeys(members)
        waiting = {i: sum(1 for x in self.into[i] if x in open_) for i in members}
        ready = deque(i for i in members if not waiting[i])

        def close(i: int) -> None:
            if i not in open_:
                return
            del open_[i]
            for j in self.out[i]:
                if j in open_:
                    waiting[j] -= 1
                    if not waiting[j]:
                        ready.append(j)

        while open_:
            i = ready.popleft() if ready else min(self._source_ring(next(iter(open_)), open_))
            if i in open_:
                rivals = [j for j in (*self.out[i], *self.into[i]) if j in open_]
                self._admit(i)
                for j in (i, *rivals):
                    close(j)

    def _source_ring(self, start: int, open_: dict[int, None]) -> set[int]:
        """A cycle nobody outside of it excludes: go upstream until what lies upstream also lies downstream."""
        current = start
        while True:
            upstream = self._reach(current, self.into, open_)
            downstream = self._reach(current, self.out, open_)
            beyond = upstream - downstream
            if not beyond:
                return upstream
            current = min(beyond)

    def _reach(self, start: int, edges: list[set[int]], open_: dict[int, None]) -> set[int]:
        found: set[int] = set()
        stack = [start]
        while stack:
            for j in edges[stack.pop()]:
                if j in open_ and j not in found:
                    found.add(j)
                    stack.append(j)
        return found

    def _living_ancestors(self, i: int) -> set[int]:
        """All undecided rules that exclude it, or exclude one that does."""
        found: set[int] = set()
        stack = [i]
        while stack:
            for j in self.into[stack.pop()]:
                if self._is_open(j) and j not in found:
                    found.add(j)
                    stack.append(j)
        return found

    def _is_open(self, i: int) -> bool:
        return i not in self.struck and i not in self.admitted

    def _is_exclusive(self, i: int) -> bool:
        return self.rules[i].exclusive != "no"

    def _admit(self, i: int) -> None:
        self.admitted[i] = None
        self._strike([j for j in (*self.out[i], *self.into[i]) if self._is_open(j)], i)

    def _strike(self, numbers: Sequence[int], by: int) -> None:
        for i in numbers:
            self.struck.setdefault(i, by)
