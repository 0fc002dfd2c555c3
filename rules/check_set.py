"""Checks between rules: duplicates, rules that never decide, exclusions that name nobody or run in a circle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from capabilities.kernel.decision import Decision
from capabilities.kernel.errors import InvalidError
from rules.compile import Row, alternatives
from rules.document import Rule, RuleSetDocument, by_priority
from rules.domain import covers
from rules.problem import Problem, Severity
from rules.vocabulary import fields_by_name

MAX_COMPARED = 2_000
"""Rules compared with each other; larger sets are compared within their key only, by the table's own analysis."""


def check_between(document: RuleSetDocument, decision: Decision) -> list[Problem]:
    """Everything wrong between rules. Rules that cannot be compiled are left out: they have problems of their own."""
    return [
        *_ids(document),
        *_exclusions(document),
        *_alike(document),
        *_shadowed(document, decision),
    ]


def _ids(document: RuleSetDocument) -> Iterator[Problem]:
    seen: set[str] = set()
    for rule in document.rules:
        if rule.id in seen:
            yield Problem(
                Severity.BLOCK,
                rule.id,
                "id",
                "id_twice",
                f"Two rules have the id {rule.id}.",
                f"有两条规则的标识都是 {rule.id}。",
                "Remove one of them and add it again.",
                "请删除其中一条并重新添加。",
            )
        seen.add(rule.id)


def _exclusions(document: RuleSetDocument) -> Iterator[Problem]:
    known = {rule.id: rule for rule in document.rules}
    for rule in document.rules:
        for other in rule.excludes:
            if other not in known or other == rule.id:
                yield Problem(
                    Severity.BLOCK,
                    rule.id,
                    "excludes",
                    "excludes_unknown" if other not in known else "excludes_itself",
                    f"The rule excludes {other}, which does not exist."
                    if other not in known
                    else "The rule excludes itself.",
                    f"规则排除了不存在的规则 {other}。" if other not in known else "规则排除了自己。",
                    "Choose another rule, or exclude none.",
                    "请选择其他规则，或不排除。",
                )
    for cycle in _cycles(document):
        names = " → ".join(known[rule_id].name or rule_id for rule_id in (*cycle, cycle[0]))
        yield Problem(
            Severity.WARN,
            cycle[0],
            "excludes",
            "exclusion_cycle",
            f"These rules exclude each other in a circle: {names}. The first in priority and order wins.",
            f"这些规则互相排除，形成循环：{names}。按优先级和顺序，排在前面的生效。",
            "Remove one of the exclusions, or give the rules different priorities.",
            "请去掉其中一个排除关系，或设置不同的优先级。",
        )


def _cycles(document: RuleSetDocument) -> Iterator[tuple[str, ...]]:
    """Circles of exclusions between rules of one priority: with different ones the edge runs downwards."""
    rules = {rule.id: rule for rule in document.rules}
    edges = {
        rule.id: [
            other
            for other in rule.excludes
            if other in rules and other != rule.id and rules[other].priority == rule.priority
        ]
        for rule in document.rules
    }
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            node, depth = stack.pop()
            del path[depth:]
            if node in path:
                yield tuple(path[path.index(node) :])
                continue
            if node in done:
                continue
            path.append(node)
            stack.extend((other, depth + 1) for other in edges[node])
            if not edges[node]:
                done.add(node)
        done.add(start)


def _alike(document: RuleSetDocument) -> Iterator[Problem]:
    seen: dict[str, Rule] = {}
    for rule in document.rules:
        if not rule.enabled:
            continue
        says = str((rule.grain, rule.stage, rule.when, rule.effects, rule.window, rule.coupon, rule.traffic_bps))
        first = seen.setdefault(says, rule)
        if first is not rule:
            yield Problem(
                Severity.WARN,
                rule.id,
                "",
                "duplicate",
                f"The rule says the same as “{first.name}”.",
                f"该规则与“{first.name}”完全相同。",
                "Remove one of them.",
                "请删除其中一条。",
            )


def _shadowed(document: RuleSetDocument, decision: Decision) -> Iterator[Problem]:
    """Under the policy `first`: rules whose every case an earlier, unrestricted rule decides."""
    if document.policy != "first" or len(document.rules) > MAX_COMPARED:
        return
    heard = sorted(
        ((by_priority(rule, i), rule) for i, rule in enumerate(document.rules) if rule.enabled),
        key=lambda found: found[0],
    )
    rows = {rule.id: _rows(decision, rule) for _, rule in heard}
    earlier: list[Rule] = []
    for _, rule in heard:
        for other in earlier:
            if other.grain == rule.grain and _covers_all(rows[other.id], rows[rule.id]):
                yield Problem(
                    Severity.WARN,
                    rule.id,
                    "when",
                    "unreachable",
                    f"The rule never decides: “{other.name}” comes first and takes every case it matches.",
                    f"该规则永远不会生效：“{other.name}”排在前面，并覆盖了它的所有情况。",
                    f"Move it above “{other.name}”, give it a higher priority, or remove it.",
                    f"请将其移到“{other.name}”之前、提高优先级，或删除。",
                )
                break
        if rule.window is None and rule.coupon is None and rule.traffic_bps >= 10_000:
            earlier.append(rule)


def _rows(decision: Decision, rule: Rule) -> list[Row]:
    try:
        return alternatives(rule.when, fields_by_name(decision.name, rule.grain))
    except (InvalidError, StopIteration):
        return []


def _covers_all(wide: Sequence[Row], narrow: Sequence[Row]) -> bool:
    """Whether every narrow alternative lies inside some single wide one."""
    return bool(narrow) and all(any(_covers(one, other) for one in wide) for other in narrow)


def _covers(wide: Row, narrow: Row) -> bool:
    return all(subject in narrow and covers(domain, narrow[subject]) for subject, domain in wide.items())
