"""Forms of effects: a field each word, a table where a word has rows, and rows of tests where it selects goods.

What is shown here is read by `effect_input`, name by name: `tiers.0.up_to` is a cell, `buy.1.word` the word of a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capabilities.kernel.decision import FieldKind, FieldType, Word
from capabilities.kernel.expression import (
    Condition,
    Group,
    Join,
    Operator,
    Test,
    aggregate_named,
    condition_from_json,
    condition_to_json,
)
from capabilities.kernel.money import minor_unit_digits
from rules.condition_sentence import condition_sentence
from rules.vocabulary import OPERATOR_WORDS, decision_named, fields_by_name
from web.console.rule_words import Wording
from web.console.texts import N_

Typed = Mapping[str, Sequence[str]]

SELECTING = (
    Operator.EQ,
    Operator.NEQ,
    Operator.IN,
    Operator.NOT_IN,
    Operator.WITHIN,
    Operator.CONTAINS_ANY,
    Operator.CONTAINS_NONE,
    Operator.GTE,
    Operator.LTE,
)
"""Comparisons a selector offers; which of them fit is asked when it is read."""

SPARE_ROWS = 2
CONTROLS = {
    FieldKind.MONEY: "money",
    FieldKind.RATE: "rate",
    FieldKind.NUMBER: "number",
    FieldKind.DATE: "date",
    FieldKind.BOOLEAN: "yesno",
    FieldKind.CHOICE: "choices",
}


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    chosen: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class FieldView:
    """One input of a form: `control` is money, rate, number, text, date, choices, yesno, select, rows or selector.

    `rows` are the cells of a table, row by row; `kept` is a selector that the form cannot show as tests, as it is stored.
    """

    name: str
    label: str
    control: str
    value: str
    help: str
    unit: str
    optional: bool
    choices: tuple[Choice, ...]
    error: str | None
    rows: tuple[tuple[FieldView, ...], ...] = ()
    kept: str = ""


def typed_text(kind: FieldKind, value: Any, wording: Wording) -> str:
    """A stored value as one would type it."""
    if isinstance(value, list | tuple):
        return ", ".join(typed_text(kind, one, wording) for one in value)
    if kind is FieldKind.MONEY:
        digits = minor_unit_digits(wording.currency)
        return f"{value / 10**digits:.{digits}f}" if digits else str(value)
    if kind is FieldKind.RATE:
        return f"{value / 100:.2f}".rstrip("0").rstrip(".")
    if kind is FieldKind.BOOLEAN:
        return "yes" if value else "no"
    return str(value)


def effect_field(
    field: FieldType, name: str, value: Any, wording: Wording, typed: Typed, errors: Mapping[str, str]
) -> FieldView:
    """The input of one word of an effect, with what is stored or was typed."""
    if field.kind is FieldKind.ROWS:
        return _table(field, name, value or (), wording, typed, errors)
    if field.kind is FieldKind.SELECTOR:
        return _selector(field, name, value, wording, typed, errors)
    given = typed.get(name)
    chosen = given[0] if given else "" if value is None else str(value)
    text = given[0] if given else "" if value is None else typed_text(field.kind, value, wording)
    choices = tuple(Choice(v, wording.either(*names), v == chosen) for v, names in field.word.choices.items())
    if choices and field.optional:
        choices = (Choice("", "–", not chosen), *choices)
    return FieldView(
        name=name,
        label=wording.word(field.word),
        control="select" if choices else CONTROLS.get(field.kind, "text"),
        value=text,
        help=wording.help(field.word),
        unit={FieldKind.MONEY: wording.currency, FieldKind.RATE: "%"}.get(field.kind, wording.unit(field.word)),
        optional=field.optional,
        choices=choices,
        error=errors.get(name),
    )


def _table(
    field: FieldType,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    wording: Wording,
    typed: Typed,
    errors: Mapping[str, str],
) -> FieldView:
    count = max(len(rows) + SPARE_ROWS, typed_rows(typed, name))
    cells = tuple(
        tuple(
            effect_field(
                column,
                f"{name}.{i}.{column.name}",
                rows[i].get(column.name) if i < len(rows) else None,
                wording,
                typed,
                errors,
            )
            for column in field.columns
        )
        for i in range(count)
    )
    return _whole(field, name, "rows", wording, errors, cells)


def _selector(
    field: FieldType, name: str, value: Any, wording: Wording, typed: Typed, errors: Mapping[str, str]
) -> FieldView:
    tests = tests_shown(value)
    if tests is None:
        said = condition_sentence(
            condition_from_json(value),
            fields_by_name(wording.decision, "line"),
            "zh" if wording.language.value == "zh" else "en",
            wording.currency,
        )
        return _whole(field, name, "selector", wording, errors, (), kept=said)
    return _whole(field, name, "selector", wording, errors, test_rows(name, tests, wording, typed, errors))


def tests_shown(value: Any) -> tuple[Test, ...] | None:
    """A selector as tests that all must hold; None for one that is more than that."""
    if not value:
        return ()
    condition: Condition = value if isinstance(value, Test | Group) else condition_from_json(value)
    parts = (condition,) if isinstance(condition, Test) else condition.conditions
    if isinstance(condition, Group) and condition.join is not Join.ALL:
        return None
    tests = tuple(part for part in parts if isinstance(part, Test) and part.op in SELECTING)
    return tests if len(tests) == len(parts) else None


def test_rows(
    name: str, tests: Sequence[Test], wording: Wording, typed: Typed, errors: Mapping[str, str]
) -> tuple[tuple[FieldView, ...], ...]:
    """Tests of lines as rows of word, comparison and value, with a blank one at the end."""
    words = fields_by_name(wording.decision, "line")
    of_line = {n: field for n, field in words.items() if n.startswith("line.")}
    count = max(len(tests) + 1, typed_rows(typed, name))
    rows = []
    for i in range(count):
        test = tests[i] if i < len(tests) else None
        word = _given(typed, f"{name}.{i}.word", test.field if test else "")
        op = _given(typed, f"{name}.{i}.op", test.op.value if test else Operator.EQ.value)
        field = of_line.get(test.field) if test else None
        value = typed_text(field.kind, test.value, wording) if test and field else ""
        rows.append(
            (
                _cell(
                    f"{name}.{i}.word",
                    wording.text(N_("word")),
                    errors,
                    choices=(
                        Choice("", "–", not word),
                        *(Choice(n, wording.word(f.word), n == word) for n, f in of_line.items()),
                    ),
                ),
                _cell(
                    f"{name}.{i}.op",
                    wording.text(N_("comparison")),
                    errors,
                    choices=tuple(
                        Choice(o.value, wording.either(*OPERATOR_WORDS[o]), o.value == op) for o in SELECTING
                    ),
                ),
                _cell(
                    f"{name}.{i}.value",
                    wording.text(N_("value")),
                    errors,
                    value=_given(typed, f"{name}.{i}.value", value),
                ),
            )
        )
    return tuple(rows)


def where_field(name: str, wording: Wording, typed: Typed, errors: Mapping[str, str]) -> FieldView | None:
    """Which lines a fact over lines means; None for any other fact."""
    aggregate = aggregate_named(name)
    if aggregate is None:
        return None
    word = Word("of the lines where", "符合以下条件的行", "Blank: of all lines", "留空表示所有行")
    field = FieldType("where", FieldKind.SELECTOR, word, optional=True)
    return _selector(field, "where", condition_to_json(aggregate.where), wording, typed, errors)


def _given(typed: Typed, name: str, stored: str) -> str:
    return (typed.get(name) or [stored])[0]


def _cell(
    name: str, label: str, errors: Mapping[str, str], *, value: str = "", choices: tuple[Choice, ...] = ()
) -> FieldView:
    control = "select" if choices else "text"
    return FieldView(name, label, control, value, "", "", optional=False, choices=choices, error=errors.get(name))


def _whole(
    field: FieldType,
    name: str,
    control: str,
    wording: Wording,
    errors: Mapping[str, str],
    rows: tuple[tuple[FieldView, ...], ...],
    *,
    kept: str = "",
) -> FieldView:
    return FieldView(
        name=name,
        label=wording.word(field.word),
        control=control,
        value="",
        help=wording.help(field.word),
        unit="",
        optional=field.optional,
        choices=(),
        error=errors.get(name),
        rows=rows,
        kept=kept,
    )


def typed_rows(typed: Typed, name: str) -> int:
    """How many rows of that name were typed."""
    prefix = f"{name}."
    numbers = [key.removeprefix(prefix).partition(".")[0] for key in typed if key.startswith(prefix)]
    return max((int(number) + 1 for number in numbers if number.isdigit()), default=0)


def defaults_of(decision: str, kind: str) -> dict[str, Any]:
    """What an effect's words are where nothing is said."""
    effect = decision_named(decision).effect(kind)
    return {} if effect is None else {n: i.default for n, i in effect.model_fields.items() if not i.is_required()}
