"""From conditions to alternatives: negation pushed down, "or" expanded within bounds, ranges folded field by field.

The result is pure data: rows that are nothing but "this field lies in that domain, and …", each with the rules it stands
for. Identical rows are one row. Nothing here knows the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from capabilities.kernel.decision import FieldKind, FieldType
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import Condition, Join, Operator, Test
from rules.document import RuleSetDocument
from rules.domain import HIGHEST, LOWEST, Domain, Numbers, Texts, join, meet, within_limits
from rules.reference import is_within
from rules.vocabulary import fields_by_name

MAX_ALTERNATIVES = 200
"""Alternatives one rule may come to; a rule that needs more is asked to become two."""

MAX_INTERMEDIATE = 4_000

NUMERIC = frozenset({FieldKind.NUMBER, FieldKind.MONEY, FieldKind.RATE, FieldKind.DATE, FieldKind.BOOLEAN})
TEXTUAL = frozenset({FieldKind.TEXT, FieldKind.CHOICE, FieldKind.PATH})
_HAVING = frozenset({Operator.CONTAINS_ANY, Operator.CONTAINS_ALL, Operator.CONTAINS_NONE})


@dataclass(frozen=True, slots=True)
class Membership:
    """A question about one field that is answered before the engine is asked, and reaches it as 0 or 1.

    For what integers cannot say: lists that are no key, sets, paths, several spans. Missing is always 0.
    """

    field: str
    op: Operator
    values: tuple[Any, ...]

    def question(self) -> Callable[[Any], bool]:
        """A function of the field's value: text, a tuple of texts, or the integer the field is encoded as."""
        values = self.values
        if self.op is Operator.WITHIN:
            return lambda value: is_within(value, values)
        if self.op is Operator.BETWEEN:
            return Numbers(values).has
        if self.op is Operator.PRESENT:
            return lambda value: value is not None
        return _LISTS[self.op](frozenset(values))


_LISTS: dict[Operator, Callable[[frozenset[Any]], Callable[[Any], bool]]] = {
    Operator.IN: lambda members: lambda value: value in members,
    Operator.NOT_IN: lambda members: lambda value: value not in members,
    Operator.CONTAINS_ANY: lambda members: lambda value: not members.isdisjoint(value),
    Operator.CONTAINS_ALL: lambda members: members.issubset,
    Operator.CONTAINS_NONE: lambda members: members.isdisjoint,
}

Subject = str | Membership
Row = Mapping[Subject, Domain]
RowKey = tuple[tuple[tuple[str, str, str], Domain], ...]

YES, NO = Numbers(((1, 1),)), Numbers(((0, 0),))
_EITHER = Numbers(((0, 1),))


@dataclass(frozen=True, slots=True)
class MergedRow:
    """One alternative with the positions of all rules that have it."""

    row: Row
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What is to be matched for one grain and stage. `always` are rules without a condition."""

    fields: Mapping[str, FieldType]
    rows: tuple[MergedRow, ...]
    always: tuple[int, ...]


def compile_document(document: RuleSetDocument) -> dict[tuple[str, int], Alternatives]:
    """The alternatives of every enabled rule, by grain and stage. Raises `InvalidError` where a rule cannot be compiled."""
    positions: dict[tuple[str, int], list[int]] = {}
    for position, rule in enumerate(document.rules):
        if rule.enabled:
            positions.setdefault((rule.grain, rule.stage), []).append(position)
    return {place: _compile_place(document, place, positions[place]) for place in sorted(positions)}


def _compile_place(document: RuleSetDocument, place: tuple[str, int], positions: list[int]) -> Alternatives:
    fields = fields_by_name(document.decision, place[0])
    always: list[int] = []
    merged: dict[RowKey, tuple[Row, list[int]]] = {}
    for position in positions:
        rule = document.rules[position]
        try:
            rows = alternatives(rule.when, fields)
        except InvalidError as error:
            error.details["rule_id"] = rule.id
            raise
        for row in rows:
            if row:
                merged.setdefault(row_key(row), (row, []))[1].append(position)
            else:
                always.append(position)
    rows_in_order = (merged[key] for key in sorted(merged, key=str))
    return Alternatives(fields, tuple(MergedRow(row, tuple(found)) for row, found in rows_in_order), tuple(always))


def row_key(row: Row) -> RowKey:
    """What the row says, in an order that does not depend on how it was written."""
    return tuple(sorted(((subject_key(subject), domain) for subject, domain in row.items()), key=lambda item: item[0]))


def subject_key(subject: Subject) -> tuple[str, str, str]:
    """Sorts fields and memberships among each other."""
    if isinstance(subject, str):
        return (subject, "", "")
    return (subject.field, subject.op.value, str(subject.values))


def alternatives(condition: Condition, fields: Mapping[str, FieldType]) -> list[Row]:
    """The condition as rows any of which is enough: [] is never true, a row without subjects always."""
    return _rows(condition, fields, positive=True)


def _rows(condition: Condition, fields: Mapping[str, FieldType], *, positive: bool) -> list[Row]:
    if isinstance(condition, Test):
        subject, domain = literal(condition, fields)
        if not positive:
            domain = meet(domain.complement(), _EITHER) if isinstance(subject, Membership) else domain.complement()
        if domain.is_empty:
            return []
        return [{}] if domain.is_everything else [{subject: domain}]
    part_positive = positive if condition.join is not Join.NONE else not positive
    parts = [_rows(part, fields, positive=part_positive) for part in condition.conditions]
    # all of them: "all", "none" of the turned-around parts, and "any" turned around
    together = positive if condition.join is not Join.ANY else not positive
    return _product(parts) if together else _simplified([row for part in parts for row in part])


def _product(parts: list[list[Row]]) -> list[Row]:
    rows: list[Row] = [{}]
    for part in sorted(parts, key=len):
        if len(rows) * len(part) > MAX_INTERMEDIATE:
            raise _too_many()
        rows = _simplified([both for one in rows for other in part if (both := _both(one, other)) is not None])
    return rows


def _both(one: Row, other: Row) -> Row | None:
    found = dict(one)
    for subject, domain in other.items():
        known = found.get(subject)
        narrowed = domain if known is None else meet(known, domain)
        if narrowed.is_empty:
            return None
        found[subject] = narrowed
    return found


def _simplified(rows: list[Row]) -> list[Row]:
    """Rows that differ in one subject only become one row, until none do."""
    known = {row_key(row): row for row in rows}
    changed = True
    while changed and len(known) > 1:
        changed = False
        for subject in sorted({subject for row in known.values() for subject in row}, key=subject_key):
            groups: dict[RowKey, list[Row]] = {}
            for row in known.values():
                if subject in row:
                    groups.setdefault(row_key({s: d for s, d in row.items() if s != subject}), []).append(row)
            for group in groups.values():
                if len(group) > 1:
                    changed = True
                    united = _united(group, subject)
                    for row in group:
                        del known[row_key(row)]
                    known[row_key(united)] = united
    if any(not row for row in known.values()):
        return [{}]
    if len(known) > MAX_ALTERNATIVES:
        raise _too_many()
    return list(known.values())


def _united(group: list[Row], subject: Subject) -> Row:
    domain = group[0][subject]
    for row in group[1:]:
        domain = join(domain, row[subject])
    everything = domain == _EITHER if isinstance(subject, Membership) else domain.is_everything
    rest = {s: d for s, d in group[0].items() if s != subject}
    return rest if everything else {**rest, subject: domain}


def _too_many() -> InvalidError:
    return InvalidError(
        "rules.too_many_alternatives",
        f"This rule comes to more than {MAX_ALTERNATIVES} alternatives.",
        mend="Make two rules of it, or ask one list instead of many alternatives.",
    )


def literal(test: Test, fields: Mapping[str, FieldType]) -> tuple[Subject, Domain]:
    """One test as the domain of its field, or as a membership. Raises `InvalidError` for what does not fit the field."""
    field = fields.get(test.field)
    if field is None:
        raise InvalidError("rules.field_unknown", f"There is no field {test.field!r} here.", field=test.field)
    if test.op is Operator.PRESENT or test.op is Operator.MISSING:
        return _presence(field, present=test.op is Operator.PRESENT)
    if field.kind in NUMERIC:
        return test.field, _numbers(test, field)
    if field.kind in TEXTUAL and test.op is not Operator.WITHIN:
        return test.field, _texts(test)
    if (test.op in _HAVING and field.kind is FieldKind.SET) or (
        test.op is Operator.WITHIN and field.kind is FieldKind.PATH
    ):
        return Membership(test.field, test.op, tuple(sorted(set(map(str, test.value))))), YES
    raise _unfit(test)


def _presence(field: FieldType, *, present: bool) -> tuple[Subject, Domain]:
    if field.kind in NUMERIC:
        domain: Domain = Numbers(((LOWEST, HIGHEST),)) if present else Numbers((), missing=True)
    elif field.kind in TEXTUAL:
        domain = Texts(frozenset(), others=True) if present else Texts(frozenset(), missing=True)
    else:
        return Membership(field.name, Operator.PRESENT, ()), YES if present else NO
    return field.name, domain


def _numbers(test: Test, field: FieldType) -> Domain:  # noqa: PLR0911 - one branch an operator
    if isinstance(test.value, tuple):
        values = [number_of(value, field.kind) for value in test.value]
        match test.op:
            case Operator.BETWEEN:
                return Numbers.of([(values[0], values[1])])
            case Operator.IN:
                return Numbers.of([(value, value) for value in values])
            case Operator.NOT_IN:
                return Numbers(Numbers.of([(value, value) for value in values]).complement().spans)
        raise _unfit(test)
    value = number_of(test.value, field.kind)
    match test.op:
        case Operator.EQ:
            return Numbers.of([(value, value)])
        case Operator.NEQ:
            return Numbers(Numbers.of([(value, value)]).complement().spans)
        case Operator.LT:
            return Numbers.of([(LOWEST, value - 1)])
        case Operator.LTE:
            return Numbers.of([(LOWEST, value)])
        case Operator.GT:
            return Numbers.of([(value + 1, HIGHEST)])
        case Operator.GTE:
            return Numbers.of([(value, HIGHEST)])
    raise _unfit(test)


def _texts(test: Test) -> Domain:
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    if not all(isinstance(value, str) for value in values):
        raise _unfit(test)
    if test.op in (Operator.EQ, Operator.IN):
        return Texts(frozenset(values))
    if test.op in (Operator.NEQ, Operator.NOT_IN):
        return Texts(frozenset(values), others=True)
    raise _unfit(test)


def number_of(value: Any, kind: FieldKind) -> int:
    """A literal or a fact as the integer the engine sees: dates as day numbers, yes and no as 1 and 0."""
    if kind is FieldKind.DATE:
        try:
            return date.fromisoformat(value).toordinal()
        except (TypeError, ValueError):
            raise InvalidError("rules.value_wrong", f"{value!r} is not a date such as 2026-11-27.") from None
    if kind is FieldKind.BOOLEAN and not isinstance(value, bool):
        raise InvalidError("rules.value_wrong", f"{value!r} is not true or false.")
    if not isinstance(value, int):
        raise InvalidError("rules.value_wrong", f"{value!r} is not a whole number.")
    return within_limits(int(value))


def _unfit(test: Test) -> InvalidError:
    return InvalidError(
        "rules.operator_unfit", f"{test.op.value} cannot be asked of {test.field} with this value.", field=test.field
    )


def as_membership(field: str, domain: Domain) -> tuple[Membership, Domain]:
    """A domain that is neither a point, nor one span, nor all but a few points: as a question, and the answer wanted."""
    wanted = YES
    if domain.missing:
        domain, wanted = domain.complement(), NO
    if isinstance(domain, Texts):
        if domain.others and not domain.values:
            return Membership(field, Operator.PRESENT, ()), wanted
        op = Operator.NOT_IN if domain.others else Operator.IN
        return Membership(field, op, tuple(sorted(domain.values))), wanted
    if domain.spans == ((LOWEST, HIGHEST),):
        return Membership(field, Operator.PRESENT, ()), wanted
    return Membership(field, Operator.BETWEEN, domain.spans), wanted
