"""Checks of one rule by itself: its words, values, effects, window and share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from capabilities.kernel.decision import Decision, FieldType
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import Operator, Test, aggregate_named, tests_of
from rules.check_effect import check_effects
from rules.check_limits import check_limits
from rules.compile import alternatives, literal
from rules.document import Rule, RuleSetDocument, Window
from rules.domain import LIMIT
from rules.eligibility import in_zone
from rules.problem import Problem, Severity, block
from rules.sentence import field_name
from rules.vocabulary import fields_by_name, operator_words, operators_for, stages_of

_WITHOUT_VALUE = (Operator.PRESENT, Operator.MISSING)


def check_rule(document: RuleSetDocument, decision: Decision, rule: Rule, at: datetime) -> list[Problem]:
    """Everything wrong with the rule itself."""
    grain = next((grain for grain in decision.grains if grain.name == rule.grain), None)
    if grain is None:
        return [
            block(
                rule,
                "grain",
                "grain_unknown",
                f"{decision.en} has no {rule.grain!r} rules.",
                f"{decision.zh}没有“{rule.grain}”类规则。",
            )
        ]
    fields = fields_by_name(decision.name, rule.grain)
    found = [*_naming(rule), *_place(document, rule)]
    words = [problem for test in tests_of(rule.when) for problem in _test(rule, test, fields)]
    words += _over_lines(decision, rule)
    found += words or _truth(rule, fields)
    found += check_effects(decision, rule)
    if rule.window is not None:
        found += _window(rule, rule.window, at)
    found += _share(rule)
    found += check_limits(decision, rule)
    return found


def _naming(rule: Rule) -> Iterator[Problem]:
    if not rule.id:
        yield block(rule, "id", "id_missing", "A rule has no id.", "规则缺少标识。")
    if not rule.name.strip():
        yield block(
            rule,
            "name",
            "name_missing",
            "The rule has no name.",
            "规则没有名称。",
            "Give it a name that says what it does.",
            "请为规则命名。",
        )
    if rule.coupon is not None and not rule.coupon.strip():
        yield block(
            rule,
            "coupon",
            "coupon_empty",
            "The rule asks for a code but names none.",
            "规则需要优惠码，但未填写。",
            "Write the code, or ask for none.",
            "请填写优惠码，或取消该要求。",
        )


def _place(document: RuleSetDocument, rule: Rule) -> Iterator[Problem]:
    stages = stages_of(document)
    if rule.stage not in stages:
        yield block(
            rule,
            "stage",
            "stage_unknown",
            f"There is no stage {rule.stage}.",
            f"没有阶段 {rule.stage}。",
            f"Choose one of {', '.join(names[0] for names in stages.values())}.",
            f"请选择：{'、'.join(names[1] for names in stages.values())}。",
        )
    if rule.group != "default" and rule.group not in document.groups:
        yield block(
            rule,
            "group",
            "group_unknown",
            f"There is no group {rule.group!r}.",
            f"没有分组“{rule.group}”。",
            "Choose a group of this rule set.",
            "请选择本规则集中的分组。",
        )
    if rule.exclusive not in ("no", "stage", "order"):
        yield block(
            rule,
            "exclusive",
            "exclusive_wrong",
            f"{rule.exclusive!r} is no way to be exclusive.",
            f"排他方式“{rule.exclusive}”无效。",
            "Choose no, stage or order.",
            "请选择不排他、阶段或整单。",
        )


# --- conditions ---------------------------------------------------------------------------------------------------


def _test(rule: Rule, test: Test, fields: Mapping[str, FieldType]) -> Iterator[Problem]:
    field = fields.get(test.field)
    if field is None:
        yield block(
            rule,
            "when",
            "field_unknown",
            f"There is no field {test.field!r} in {rule.grain} rules.",
            f"{rule.grain} 规则中没有字段“{test.field}”。",
            "Choose a word from the list.",
            "请从列表中选择。",
        )
        return
    en, zh = field_name(field, "en"), field_name(field, "zh")
    if test.op not in operators_for(field) and test.op not in _WITHOUT_VALUE:
        fitting = [operator_words(field.kind, op) for op in operators_for(field)]
        yield block(
            rule,
            "when",
            "operator_unfit",
            f"“{operator_words(field.kind, test.op)[0]}” cannot be asked of {en}.",
            f"“{zh}”不能使用“{operator_words(field.kind, test.op)[1]}”。",
            f"Use one of: {', '.join(words[0] for words in fitting)}.",
            f"可用：{'、'.join(words[1] for words in fitting)}。",
        )
        return
    try:
        literal(test, fields)
    except InvalidError as error:
        yield block(
            rule,
            "when",
            "value_wrong",
            f"The value of {en} is wrong: {error.message}",
            f"“{zh}”的值无效：{test.value!r}。",
            "Write a value that fits.",
            "请填写合适的值。",
        )
        return
    yield from _value(rule, test, field)


def _over_lines(decision: Decision, rule: Rule) -> Iterator[Problem]:
    """Conditions over lines ask words of lines."""
    if not any(grain.name == "line" for grain in decision.grains):
        return
    fields = fields_by_name(decision.name, "line")
    for test in tests_of(rule.when):
        aggregate = aggregate_named(test.field)
        if aggregate is not None:
            for inner in tests_of(aggregate.where):
                yield from _test(rule, inner, fields)


def _value(rule: Rule, test: Test, field: FieldType) -> Iterator[Problem]:
    en, zh = field_name(field, "en"), field_name(field, "zh")
    values = test.value if isinstance(test.value, tuple) else () if test.op in _WITHOUT_VALUE else (test.value,)
    unknown = [str(value) for value in values if field.word.choices and str(value) not in field.word.choices]
    if unknown:
        offered = list(field.word.choices.values())
        yield block(
            rule,
            "when",
            "choice_unknown",
            f"{en} is never {', '.join(unknown)}.",
            f"“{zh}”没有 {'、'.join(unknown)} 这个值。",
            f"Choose from {', '.join(names[0] for names in offered)}.",
            f"可选：{'、'.join(names[1] for names in offered)}。",
        )
    if any(value == "" for value in values):
        yield block(
            rule,
            "when",
            "value_empty",
            f"The value of {en} is still empty.",
            f"“{zh}”的值尚未填写。",
            "Fill it in.",
            "请填写。",
        )
    if any(isinstance(value, int) and abs(value) > LIMIT for value in values):
        yield block(
            rule,
            "when",
            "value_too_large",
            f"The value of {en} is beyond all limits.",
            f"“{zh}”的值超出范围。",
            "Write a smaller number.",
            "请填写较小的数值。",
        )


def _truth(rule: Rule, fields: Mapping[str, FieldType]) -> Iterator[Problem]:
    try:
        rows = alternatives(rule.when, fields)
    except InvalidError as error:
        yield block(
            rule,
            "when",
            "too_many_alternatives",
            error.message,
            "该规则展开后的情况过多。",
            error.mend or "",
            "请拆成两条规则，或用一个列表代替多个“或”。",
        )
        return
    if not rows:
        yield block(
            rule,
            "when",
            "never_true",
            "The condition can never be true: its parts contradict each other.",
            "条件永远不成立：各部分互相矛盾。",
            "Look for a range that ends before it begins, or two values asked at once.",
            "请检查是否有空的范围，或同时要求两个不同的值。",
        )
    elif any(not row for row in rows):
        yield Problem(
            Severity.HINT,
            rule.id,
            "when",
            "always_true",
            "The rule has no condition: it holds for everything.",
            "规则没有条件：对所有情况都成立。",
            "Add a condition, if that is not meant.",
            "如非本意，请添加条件。",
        )


# --- window and share ---------------------------------------------------------------------------------------------


def _window(rule: Rule, window: Window, at: datetime) -> Iterator[Problem]:
    try:
        zone = ZoneInfo(window.zone) if window.zone else ZoneInfo("UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield block(
            rule,
            "window.zone",
            "zone_unknown",
            f"There is no time zone {window.zone!r}.",
            f"没有时区“{window.zone}”。",
            "Choose one such as Asia/Shanghai.",
            "请选择时区，例如 Asia/Shanghai。",
        )
        return
    if any(not 1 <= day <= 7 for day in window.weekdays):
        yield block(
            rule,
            "window.weekdays",
            "weekday_wrong",
            "A weekday is 1 (Monday) to 7 (Sunday).",
            "星期为 1（周一）至 7（周日）。",
        )
        return
    if window.hours is not None:
        start, end = window.hours
        if not (0 <= start <= 23 and 0 <= end <= 24) or start == end:
            yield block(
                rule,
                "window.hours",
                "hours_wrong",
                "The hours leave no time.",
                "时段为空。",
                "Write two different hours, 0 to 24.",
                "请填写两个不同的小时，0 至 24。",
            )
    begins = None if window.from_at is None else in_zone(window.from_at, zone)
    ends = None if window.until_at is None else in_zone(window.until_at, zone)
    if begins is not None and ends is not None and begins >= ends:
        yield block(
            rule,
            "window",
            "window_never_starts",
            "The window ends before it begins.",
            "有效期在开始之前就结束了。",
            "Set a later end.",
            "请设置更晚的结束时间。",
        )
    elif ends is not None and ends <= at:
        yield Problem(
            Severity.WARN,
            rule.id,
            "window.until",
            "window_expired",
            f"The rule ended on {ends.date().isoformat()}.",
            f"规则已于 {ends.date().isoformat()} 结束。",
            "Set a later end, or remove the rule.",
            "请延后结束时间，或删除规则。",
        )
    elif begins is not None and ends is not None and window.weekdays and not _has_day(begins, ends, window.weekdays):
        yield Problem(
            Severity.WARN,
            rule.id,
            "window.weekdays",
            "window_without_day",
            "None of these weekdays falls into the window.",
            "有效期内没有所选的星期。",
            "Choose other days, or a longer window.",
            "请选择其他星期，或延长有效期。",
        )


def _has_day(begins: datetime, ends: datetime, weekdays: tuple[int, ...]) -> bool:
    last = (ends - timedelta(microseconds=1)).date()
    days: list[date] = [begins.date() + timedelta(days=i) for i in range(min(7, (last - begins.date()).days + 1))]
    return any(day.isoweekday() in weekdays for day in days)


def _share(rule: Rule) -> Iterator[Problem]:
    if not 0 <= rule.traffic_bps <= 10_000:
        yield block(
            rule,
            "traffic_bps",
            "traffic_wrong",
            "The share of buyers is 0 to 100 %.",
            "买家比例为 0 至 100%。",
            "Write a share of at most 100 %.",
            "请填写不超过 100% 的比例。",
        )
    elif rule.traffic_bps == 0:
        yield Problem(
            Severity.WARN,
            rule.id,
            "traffic_bps",
            "traffic_nobody",
            "The rule is given to no buyer at all.",
            "规则不对任何买家生效。",
            "Raise its share, or switch it off.",
            "请提高比例，或停用规则。",
        )
