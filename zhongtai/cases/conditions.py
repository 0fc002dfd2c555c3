"""Conditions and effects as an analyst writes them, into the rules document's own JSON.

`order.subtotal >= 100.00` becomes a test on `order.subtotal_minor` with 10000; amounts and rates are read in the units
of the word, so nobody has to count minor units or basis points.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from capabilities.kernel.decision import Effect, FieldKind, FieldType, effect_kind, fields_of
from capabilities.kernel.expression import Operator
from capabilities.marketing.contract import PROMOTIONS
from zhongtai.cases.spot import Spot

_SYMBOLS = {"=": "eq", "!=": "neq", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_TEST = re.compile(r"^(?P<field>[a-z_.]+)\s*(?P<op><=|>=|!=|=|<|>|[a-z_]+)\s*(?P<value>.*)$", re.DOTALL)
_LISTS = {"in", "not_in", "within", "contains_any", "contains_all", "contains_none"}
_MEND = "Write a test such as `order.subtotal >= 100.00`, or all, any, none with a list of them."


def read_condition(spot: Spot, grain: str, currency: str) -> dict[str, Any]:
    """A condition in JSON: one test, a list (all of them), or all, any, none of a list."""
    if isinstance(spot.value, list):
        return {"all": [read_condition(item, grain, currency) for item in spot.value]}
    if isinstance(spot.value, dict) and set(spot.value) == {"lines"}:
        return {"lines": _read_over_lines(spot.value["lines"], currency)}
    if isinstance(spot.value, dict):
        pairs = spot.mapping(["all", "any", "none"])
        if len(pairs) != 1:
            raise spot.wrong("a group is one of all, any, none.", _MEND)
        join, members = next(iter(pairs.items()))
        return {join: [read_condition(item, grain, currency) for item in members.items()]}
    return _read_test(spot, grain, currency)


_MEASURES = ("sum", "min", "max")


def _read_over_lines(spot: Spot, currency: str) -> dict[str, Any]:
    """A condition over lines: `any: <where>`, `all: <where>`, `at_least: 2` with `where`, or a figure that `is` so."""
    found = spot.mapping(["any", "all", "at_least", "count", *_MEASURES, "where", "is"])
    named = [key for key in found if key not in ("where", "is")]
    if len(named) != 1:
        raise spot.wrong(
            "a condition over lines asks one thing.", "Write one of any, all, at_least, count, sum, min, max."
        )
    of = named[0]
    if of in ("any", "all"):
        return {"of": of, "where": read_condition(found[of], "line", currency)}
    where = read_condition(found["where"], "line", currency) if "where" in found else {"all": []}
    if of == "at_least":
        return {"of": of, "where": where, "value": found[of].whole()}
    if "is" not in found:
        raise spot.wrong("the figure is compared with nothing.", 'Write for example `is: ">= 50.00"`.')
    # read as a test of the measured word; a count is compared as whole numbers are
    name = found[of].text() if of in _MEASURES else "line.quantity"
    asked = Spot(f"{name} {found['is'].text()}", spot.file, found["is"].line, spot.field)
    test = _read_test(asked, "line", currency)
    measured = {"field": test["field"]} if of in _MEASURES else {}
    return {"of": of, "where": where, "op": test["op"], "value": test["value"]} | measured


def _read_test(spot: Spot, grain: str, currency: str) -> dict[str, Any]:
    match = _TEST.match(spot.text())
    if match is None:
        raise spot.wrong(f"{spot.text()!r} is not a test.", _MEND)
    word = _word(spot, match["field"], grain)
    op = _SYMBOLS.get(match["op"], match["op"])
    if op not in Operator.__members__.values():
        raise spot.wrong(
            f"{match['op']!r} is not a comparison.", "Use = != < <= > >= between in not_in within present."
        )
    if op in ("present", "missing"):
        return {"field": word.name, "op": op}

    def value(text: str) -> Any:
        return _value(Spot(text, spot.file, spot.line, spot.field), word, currency)

    text = match["value"].strip()
    if op == "between":
        ends = re.split(r"\s+and\s+", text)
        if len(ends) != 2:
            raise spot.wrong("a range has two ends.", "Write `between 10 and 20`; both ends are included.")
        return {"field": word.name, "op": op, "value": [value(end) for end in ends]}
    if op in _LISTS:
        return {"field": word.name, "op": op, "value": [value(item.strip()) for item in text.strip("[]").split(",")]}
    return {"field": word.name, "op": op, "value": value(text)}


def _word(spot: Spot, name: str, grain: str) -> FieldType:
    words = PROMOTIONS.grain(grain).fields()
    for candidate in (name, f"{name}_minor", f"{name}_bps"):
        if candidate in words:
            return words[candidate]
    if name in PROMOTIONS.grain("line").fields() or f"{name}_minor" in PROMOTIONS.grain("line").fields():
        raise spot.wrong(f"{name} is a word about lines.", "Give the rule `on: lines`.")
    close = difflib.get_close_matches(name, [word.removesuffix("_minor") for word in words], 1)
    raise spot.wrong(
        f"there is no word {name!r}.", f"Did you mean {close[0]}?" if close else f"Words: {', '.join(words)}."
    )


def _value(spot: Spot, word: FieldType, currency: str) -> Any:  # noqa: PLR0911 - one branch a kind
    match word.kind:
        case FieldKind.MONEY:
            return spot.money(currency)
        case FieldKind.RATE:
            return spot.rate()
        case FieldKind.NUMBER:
            return spot.whole()
        case FieldKind.BOOLEAN:
            return spot.flag()
        case FieldKind.ROWS:
            return [_fields(row, word.columns, currency) for row in spot.rows()]
        case FieldKind.SELECTOR:
            return read_condition(spot, "line", currency)
        case FieldKind.SET if isinstance(spot.value, list):
            return [item.text() for item in spot.items()]
        case _:
            return spot.text().strip("\"'")


def _fields(spot: Spot, words: Sequence[FieldType], currency: str) -> dict[str, Any]:
    """Values of a mapping by the words they are of."""
    names = _names(words)
    return {names[key].name: _value(item, names[key], currency) for key, item in spot.mapping(names).items()}


def _names(words: Iterable[FieldType]) -> dict[str, FieldType]:
    """Words by how they are written: without their unit, unless another word is called so."""
    names: dict[str, FieldType] = {}
    for word in words:
        names[word.name if _short(word.name) in names else _short(word.name)] = word
    return names


def read_effects(spot: Spot, currency: str) -> list[dict[str, Any]]:
    """Effects in JSON: each names its kind with its amount, `percent_off: 10 %`, and what else it sets."""
    return [_read_effect(item, currency) for item in spot.items()]


def _read_effect(spot: Spot, currency: str) -> dict[str, Any]:
    kinds = {effect_kind(effect): effect for effect in PROMOTIONS.effects}
    if isinstance(spot.value, str):
        return {"kind": spot.choice([kind for kind, effect in kinds.items() if _main_word(effect) is None])}
    pairs = spot.pairs()
    named = [key for key in pairs if key in kinds]
    if len(named) != 1:
        raise spot.wrong("an effect names exactly one kind.", f"Write one of {', '.join(kinds)}.")
    kind = named[0]
    words = _names(fields_of(kinds[kind]))
    if isinstance(pairs[kind].value, dict):
        spot.mapping([kind])
        return {"kind": kind} | _fields(pairs[kind], tuple(words.values()), currency)
    spot.mapping([kind, *words])
    body: dict[str, Any] = {"kind": kind}
    main = _main_word(kinds[kind])
    if main is not None:
        value = _value(pairs[kind], main, currency)
        body[main.name] = [value] if main.kind is FieldKind.SET and isinstance(value, str) else value
    for key, item in pairs.items():
        if key != kind:
            body[words[key].name] = _value(item, words[key], currency)
    return body


def _main_word(effect: type[Effect]) -> FieldType | None:
    """The word that stands beside the kind: the first one that must be given."""
    return next((word for word in fields_of(effect) if effect.model_fields[word.name].is_required()), None)


def _short(name: str) -> str:
    return name.removesuffix("_minor").removesuffix("_bps")
