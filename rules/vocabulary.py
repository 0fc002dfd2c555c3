"""The words of a decision, generated from its contracts: what an operator may ask of a fact, and what a rule may do.

A field annotated in a contract is a word here; nothing is listed twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from capabilities.kernel.decision import Decision, FieldKind, FieldType, Word, decisions, effect_kind, fields_of
from capabilities.kernel.errors import MissingError
from capabilities.kernel.expression import Operator

_COMPARING = (
    Operator.GTE,
    Operator.LTE,
    Operator.GT,
    Operator.LT,
    Operator.BETWEEN,
    Operator.EQ,
    Operator.NEQ,
)
_CHOOSING = (Operator.EQ, Operator.NEQ, Operator.IN, Operator.NOT_IN)
_HAVING = (Operator.CONTAINS_ANY, Operator.CONTAINS_ALL, Operator.CONTAINS_NONE)
_BEING_THERE = (Operator.PRESENT, Operator.MISSING)

OPERATORS: dict[FieldKind, tuple[Operator, ...]] = {
    FieldKind.TEXT: _CHOOSING,
    FieldKind.CHOICE: (Operator.IN, Operator.NOT_IN, Operator.EQ, Operator.NEQ),
    FieldKind.PATH: (Operator.WITHIN, *_CHOOSING),
    FieldKind.NUMBER: (*_COMPARING, Operator.IN, Operator.NOT_IN),
    FieldKind.MONEY: _COMPARING,
    FieldKind.RATE: _COMPARING,
    FieldKind.BOOLEAN: (Operator.EQ,),
    FieldKind.DATE: _COMPARING,
    FieldKind.SET: _HAVING,
}
"""Operators that fit a kind, the most usual first. `present` and `missing` fit every word that may be missing."""

OPERATOR_WORDS: dict[Operator, tuple[str, str]] = {
    Operator.EQ: ("is", "是"),
    Operator.NEQ: ("is not", "不是"),
    Operator.LT: ("is less than", "小于"),
    Operator.LTE: ("is at most", "不超过"),
    Operator.GT: ("is more than", "大于"),
    Operator.GTE: ("is at least", "至少为"),
    Operator.BETWEEN: ("is between", "介于"),
    Operator.IN: ("is one of", "是其中之一"),
    Operator.NOT_IN: ("is none of", "不是其中任何一个"),
    Operator.WITHIN: ("is in", "属于"),
    Operator.CONTAINS_ANY: ("has any of", "包含任一"),
    Operator.CONTAINS_ALL: ("has all of", "包含全部"),
    Operator.CONTAINS_NONE: ("has none of", "不包含"),
    Operator.PRESENT: ("is known", "已知"),
    Operator.MISSING: ("is not known", "未知"),
}
_DATE_WORDS: dict[Operator, tuple[str, str]] = {
    Operator.LT: ("is before", "早于"),
    Operator.LTE: ("is on or before", "不晚于"),
    Operator.GT: ("is after", "晚于"),
    Operator.GTE: ("is on or after", "不早于"),
}

GROUP_WORDS: dict[str, tuple[str, str]] = {
    "order": ("Order", "订单"),
    "buyer": ("Buyer", "买家"),
    "line": ("Line", "商品行"),
    "delivery": ("Delivery", "配送"),
}


@dataclass(frozen=True, slots=True)
class OperatorWord:
    """An operator as a reader of one kind of field knows it."""

    op: Operator
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class FactWord:
    """A fact an operator may ask about, with everything an editor shows."""

    name: str
    group_en: str
    group_zh: str
    kind: FieldKind
    word: Word
    optional: bool
    operators: tuple[OperatorWord, ...]

    @property
    def choices(self) -> dict[str, tuple[str, str]]:
        return dict(self.word.choices)

    def matches(self, text: str) -> bool:
        """Whether the search text stands in its names, help, synonyms or choices, in either language."""
        wanted = text.casefold().split()
        known = " ".join(_texts_of(self)).casefold()
        return all(part in known for part in wanted)


@dataclass(frozen=True, slots=True)
class EffectWord:
    """An effect a rule may have, with the fields of its form."""

    kind: str
    en: str
    zh: str
    help_en: str
    fields: tuple[FieldType, ...]


EFFECT_NAMES: dict[str, tuple[str, str]] = {
    "percent_off": ("percent off", "打折"),
    "amount_off": ("amount off", "立减"),
    "set_price": ("set a price", "设定价格"),
    "free_delivery": ("free delivery", "免运费"),
    "approve": ("approve", "通过"),
    "review": ("hold for review", "转人工审核"),
    "reject": ("reject", "拒绝"),
    "use_provider": ("use a provider", "使用支付渠道"),
    "refuse_payment": ("refuse the payment", "拒绝支付"),
}


def decision_named(name: str) -> Decision:
    """The declared decision; `MissingError` where there is none of that name."""
    found = decisions().get(name)
    if found is None:
        raise MissingError("rules.decision_unknown", f"There is no decision {name!r}.")
    return found


def operator_words(kind: FieldKind, op: Operator) -> tuple[str, str]:
    """How the operator is said of a field of this kind."""
    return (_DATE_WORDS if kind is FieldKind.DATE else {}).get(op, OPERATOR_WORDS[op])


def operators_for(field: FieldType) -> tuple[Operator, ...]:
    """The operators that fit the field."""
    return OPERATORS[field.kind] + (_BEING_THERE if field.optional else ())


@lru_cache(maxsize=200)
def fields_by_name(decision: str, grain: str) -> dict[str, FieldType]:
    """The fields rules of this grain may ask about, by dotted name."""
    return decision_named(decision).grain(grain).fields()


@lru_cache(maxsize=200)
def fact_words(decision: str, grain: str) -> tuple[FactWord, ...]:
    """The words of a decision's grain, in the contract's order."""
    return tuple(
        FactWord(
            field.name,
            *GROUP_WORDS.get(field.name.split(".")[0], (field.name.split(".")[0].title(), field.name.split(".")[0])),
            kind=field.kind,
            word=field.word,
            optional=field.optional,
            operators=tuple(OperatorWord(op, *operator_words(field.kind, op)) for op in operators_for(field)),
        )
        for field in fields_by_name(decision, grain).values()
    )


def search_words(decision: str, grain: str, text: str) -> list[FactWord]:
    """The words the text may mean, names that begin with it first; all for an empty text."""
    wanted = text.casefold().strip()
    found = [word for word in fact_words(decision, grain) if word.matches(wanted)]
    return sorted(
        found,
        key=lambda word: (
            not word.word.en.casefold().startswith(wanted) and not word.word.zh.startswith(wanted),
            wanted not in word.word.en.casefold() and wanted not in word.word.zh,
        ),
    )


@lru_cache(maxsize=50)
def effect_words(decision: str) -> tuple[EffectWord, ...]:
    """The effects a decision's rules may have."""
    return tuple(
        EffectWord(
            effect_kind(effect),
            *EFFECT_NAMES.get(effect_kind(effect), (effect_kind(effect).replace("_", " "), effect_kind(effect))),
            help_en=(effect.__doc__ or "").strip(),
            fields=tuple(fields_of(effect)),
        )
        for effect in decision_named(decision).effects
    )


def _texts_of(word: FactWord) -> Iterable[str]:
    yield from (word.name, word.word.en, word.word.zh, word.word.help_en, word.word.help_zh)
    yield from (word.group_en, word.group_zh, *word.word.synonyms)
    for value, names in word.word.choices.items():
        yield from (value, *names)
