"""An effect as its form was filled in: words, rows of words, and tests that select goods."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from capabilities.kernel.decision import FieldKind, FieldType
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import (
    ALWAYS,
    Operator,
    Test,
    aggregate_named,
    condition_from_json,
    condition_to_json,
)
from rules.vocabulary import decision_named, fields_by_name, operators_for
from web.console.effect_forms import SELECTING, typed_rows
from web.console.rule_input import Posted, first, read_list, read_test, read_value, wrong
from web.console.rule_words import effect_fields
from web.console.texts import N_

MAX_ROWS = 50


def read_effect(
    decision: str, kind: str, form: Posted, currency: str, *, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The effect an effect form describes; the contract's own limits are asked at once.

    `before` is the effect as it was: a selector the form could not show stays what it is.
    """
    effect = decision_named(decision).effect(kind)
    if effect is None:
        raise wrong(N_("Choose an effect."), "kind")
    body = {"kind": kind} | _read_fields(
        decision,
        list(effect_fields(decision, kind).values()),
        form,
        currency,
        required={name for name, info in effect.model_fields.items() if info.is_required()},
    )
    for name in effect_fields(decision, kind):
        if f"{name}.kept" in form and before and before.get("kind") == kind and name in before:
            body[name] = before[name]
    try:
        effect.model_validate(body)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or next(iter(effect_fields(decision, kind)), "kind")
        said = N_("This value is outside what the effect allows.")
        if problem["type"] == "value_error":
            said = N_(
                "These values do not go together: of alternatives write one, let tiers rise, leave the last one open."
            )
        raise wrong(said, place) from None
    return body


def _read_fields(
    decision: str,
    fields: list[FieldType],
    form: Posted,
    currency: str,
    prefix: str = "",
    required: Collection[str] = (),
) -> dict[str, Any]:
    """What was written, word by word; blank words are left to the contract, those it requires are asked for."""
    body: dict[str, Any] = {}
    for field in fields:
        place = f"{prefix}{field.name}"
        if field.kind is FieldKind.ROWS:
            body[field.name] = _read_rows(decision, field, form, currency, place)
        elif field.kind is FieldKind.SELECTOR:
            selector = read_selector(decision, form, currency, place)
            if selector is not None:
                body[field.name] = selector
        elif field.kind is FieldKind.SET:
            body[field.name] = list(read_list(FieldKind.TEXT, form.get(place, ()), currency, field=place))
        else:
            text = first(form, place)
            if text or field.name in required:
                body[field.name] = read_value(field.kind, text, currency, field=place)
    return body


def _read_rows(decision: str, field: FieldType, form: Posted, currency: str, place: str) -> list[dict[str, Any]]:
    """Rows in which something was written; blank ones are left out."""
    found = []
    for i in range(min(typed_rows(form, place), MAX_ROWS)):
        row = _read_fields(decision, list(field.columns), form, currency, f"{place}.{i}.")
        if row:
            found.append(row)
    return found


def over_lines(decision: str, test: Test, form: Posted, currency: str) -> Test:
    """A test of a fact over lines, of the lines the form selects; any other test stays what it is."""
    aggregate = aggregate_named(test.field)
    if aggregate is None or "where.kept" in form:
        return test
    where = read_selector(decision, form, currency, "where")
    selected = replace(aggregate, where=ALWAYS if where is None else condition_from_json(where))
    return Test(selected.name, test.op, test.value)


def read_selector(decision: str, form: Posted, currency: str, place: str) -> dict[str, Any] | None:
    """Tests that all must hold, None where no word was chosen."""
    words = fields_by_name(decision, "line")
    tests = []
    for i in range(min(typed_rows(form, place), MAX_ROWS)):
        name = first(form, f"{place}.{i}.word")
        if not name:
            continue
        word, op = words.get(name), first(form, f"{place}.{i}.op")
        if word is None or op not in {one.value for one in SELECTING}:
            raise wrong(N_("Choose a word."), f"{place}.{i}.word")
        if Operator(op) not in operators_for(word):
            raise wrong(N_("This comparison cannot be asked of this word."), f"{place}.{i}.op")
        tests.append(_read_test(word, op, form.get(f"{place}.{i}.value", ()), currency, f"{place}.{i}.value"))
    if not tests:
        return None
    return condition_to_json(tests[0]) if len(tests) == 1 else {"all": [condition_to_json(test) for test in tests]}


def _read_test(word: FieldType, op: str, values: Any, currency: str, place: str) -> Test:
    try:
        test = read_test(word, {"op": [op], "value": list(values)}, currency)
    except InvalidError as error:
        raise wrong(error.message, place) from None
    if isinstance(test.value, tuple):
        return Test(test.field, test.op, tuple(test.value))
    return test
