"""What is wrong with a document, in business words, beside the rule it concerns, with the way to mend it.

`BLOCK` keeps a document from being submitted (never from being saved), `WARN` asks for a second look, `HINT` is advice.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from capabilities.kernel.clock import now
from capabilities.kernel.decision import Decision, decisions
from rules.check_rule import check_rule
from rules.check_set import check_between
from rules.document import RuleSetDocument
from rules.problem import Problem, Severity, problem_to_json

__all__ = ["Problem", "Severity", "check", "problem_to_json"]


def check(document: RuleSetDocument, *, at: datetime | None = None) -> list[Problem]:
    """Everything found, worst first, then in the document's order. `at` is the moment windows are judged by."""
    decision = decisions().get(document.decision)
    if decision is None:
        return [
            Problem(
                Severity.BLOCK,
                None,
                "decision",
                "decision_unknown",
                f"There is no decision {document.decision!r}.",
                f"没有名为“{document.decision}”的决策。",
            )
        ]
    moment = at or now()
    found = _check_settings(document, decision)
    for rule in document.rules:
        found += check_rule(document, decision, rule, moment)
    found += check_between(document, decision)
    place = {rule.id: i for i, rule in enumerate(document.rules)}
    severities = list(Severity)
    return sorted(found, key=lambda p: (severities.index(p.severity), place.get(p.rule_id or "", -1)))


def _check_settings(document: RuleSetDocument, decision: Decision) -> list[Problem]:
    found = []
    if not document.rules:
        found.append(
            Problem(
                Severity.WARN,
                None,
                "rules",
                "no_rules",
                "There is no rule: nothing will be decided.",
                "没有任何规则：不会做出任何决定。",
                "Add a rule.",
                "请添加规则。",
            )
        )
    if decision.options is None and document.options:
        found.append(_bad_option(", ".join(sorted(document.options)), "This decision has no options."))
    if decision.options is not None:
        try:
            decision.options.model_validate(dict(document.options))
        except ValidationError as error:
            found += [_bad_option(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
    for name, group in document.groups.items():
        if group.mode not in ("stack", "best", "first", "exclusive") or group.best_per not in ("order", "line"):
            found.append(
                Problem(
                    Severity.BLOCK,
                    None,
                    f"groups.{name}",
                    "group_wrong",
                    f"Group {name!r} combines by {group.mode!r} per {group.best_per!r}, which does not exist.",
                    f"分组“{name}”的组合方式无效。",
                    "Choose stack, best, first or exclusive, per order or per line.",
                    "请选择叠加、取最优、取第一个或互斥，按订单或按行。",
                )
            )
    return found


def _bad_option(name: str, why: str) -> Problem:
    return Problem(
        Severity.BLOCK,
        None,
        f"options.{name}",
        "option_wrong",
        f"The option {name} is not valid: {why}",
        f"选项“{name}”无效：{why}",
        "Choose one of the offered values.",
        "请选择可用的值。",
    )
