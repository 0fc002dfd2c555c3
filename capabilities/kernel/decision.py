"""Decisions: named places where rules decide, declared by capabilities with contract types.

The vocabulary operators see is generated from these declarations: a new annotated field in a fact type is a new word in
the editor. Nothing here knows how rules are matched.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from capabilities.kernel.errors import ConflictError


class FieldKind(StrEnum):
    """What a word's value is; decides operators and editor."""

    TEXT = "text"
    CHOICE = "choice"
    PATH = "path"
    NUMBER = "number"
    MONEY = "money"
    RATE = "rate"
    BOOLEAN = "boolean"
    DATE = "date"
    SET = "set"
    ROWS = "rows"
    """A list of rows of one type; the words of the row are the columns."""
    SELECTOR = "selector"
    """A condition on the facts of a line, as data."""


@dataclass(frozen=True, slots=True)
class Word:
    """How a field is called and meant, in English and Chinese. `unit` is shown behind the value ("g", "pieces")."""

    en: str
    zh: str
    help_en: str = ""
    help_zh: str = ""
    unit: str = ""
    kind: FieldKind | None = None
    choices: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    synonyms: tuple[str, ...] = ()


class FactGroup(BaseModel):
    """Base of fact types: frozen, closed, every field annotated with a `Word`. None means missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(BaseModel):
    """Base of effect types: `kind` is a literal; every other field is annotated with a `Word`."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class FieldType:
    """A field of a fact or effect as the editor and the compiler see it."""

    name: str
    kind: FieldKind
    word: Word
    optional: bool
    columns: tuple[FieldType, ...] = ()
    """Of rows: the words of one row."""


@dataclass(frozen=True, slots=True)
class Grain:
    """What a decision is asked about: the whole order, one line, one delivery. `groups` maps a prefix to its fact type."""

    name: str
    en: str
    zh: str
    groups: Mapping[str, type[FactGroup]]

    def fields(self) -> dict[str, FieldType]:
        """All fields by dotted name, such as `order.subtotal_minor`."""
        return {f.name: f for group, facts in self.groups.items() for f in fields_of(facts, prefix=f"{group}.")}


@dataclass(frozen=True, slots=True)
class Decision:
    """A named decision: the grains it is asked at, and the effects its rules may have. `stages` numbers to (en, zh).

    `hit_policy` says what several matching rules mean: `first` (by priority, then listed order) or `collect` (all).
    `otherwise` is the outcome (an effect's kind) where no rule decides; empty where nothing then happens.
    `options` is the type of what a rule set of this decision may declare besides its rules.
    """

    name: str
    en: str
    zh: str
    grains: tuple[Grain, ...]
    effects: tuple[type[Effect], ...]
    stages: Mapping[int, tuple[str, str]]
    hit_policy: Literal["first", "collect"] = "first"
    options: type[BaseModel] | None = None
    otherwise: str = ""

    def grain(self, name: str) -> Grain:
        return next(grain for grain in self.grains if grain.name == name)

    def effect(self, kind: str) -> type[Effect] | None:
        return next((effect for effect in self.effects if effect_kind(effect) == kind), None)


_DECISIONS: dict[str, Decision] = {}


def declare(decision: Decision) -> Decision:
    """Register a decision under its name; declaring a name twice raises `ConflictError`."""
    if decision.name in _DECISIONS:
        raise ConflictError("decision.declared_twice", f"The decision {decision.name} is declared twice.")
    _DECISIONS[decision.name] = decision
    return decision


def decisions() -> dict[str, Decision]:
    """All declared decisions by name."""
    return dict(_DECISIONS)


def effect_kind(effect: type[Effect]) -> str:
    """The literal of the effect's `kind` field, such as `percent_off`."""
    return str(get_args(effect.model_fields["kind"].annotation)[0])


def fields_of(model: type[BaseModel], *, prefix: str = "") -> Iterator[FieldType]:
    """The annotated fields of a fact or effect type. A field without `Word` (such as `kind`) is no word and left out."""
    for name, info in model.model_fields.items():
        word = next((m for m in info.metadata if isinstance(m, Word)), None)
        if word is not None:
            plain, optional = _without_none(info.annotation)
            kind = word.kind or _kind_of(name, plain, word)
            columns = tuple(fields_of(get_args(plain)[0])) if kind is FieldKind.ROWS else ()
            yield FieldType(f"{prefix}{name}", kind, word, optional, columns)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return _without_none(parts[0])[0], True
    return annotation, False


def _kind_of(name: str, annotation: Any, word: Word) -> FieldKind:
    if get_origin(annotation) is Literal or word.choices:
        return FieldKind.SET if get_origin(annotation) in (tuple, list, frozenset) else FieldKind.CHOICE
    if get_origin(annotation) in (tuple, list, frozenset):
        return FieldKind.SET
    if annotation is bool:
        return FieldKind.BOOLEAN
    if annotation is int:
        return (
            FieldKind.MONEY
            if name.endswith("_minor")
            else FieldKind.RATE
            if name.endswith("_bps")
            else FieldKind.NUMBER
        )
    return FieldKind.DATE if annotation is date else FieldKind.TEXT
