"""The words of a decision, generated from its contracts: what an operator may ask of a fact, and what a rule may do.

A field annotated in a contract is a word here; nothing is listed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from capabilities.kernel.decision import Decision, FieldKind, FieldType, Word, decisions, effect_kind, fields_of
from capabilities.kernel.errors import MissingError
from capabilities.kernel.expression import Aggregate, Operator, aggregate_named
from rules.document import RuleSetDocument

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
    FieldKind.ROWS: (),
    FieldKind.SELECTOR: (),
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
    "seller": ("Seller", "卖家"),
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
    "tier_price": ("price by quantity", "阶梯价"),
    "spend_tiers": ("more off for more spent", "满减"),
    "buy_get": ("buy some, get some", "买赠"),
    "bundle": ("bundle", "组合优惠"),
    "gift": ("gift", "赠品"),
    "surcharge": ("surcharge", "附加费"),
    "points": ("points", "送积分"),
    "cashback": ("cashback", "返现"),
    "issue_coupon": ("issue a coupon", "发券"),
    "message": ("message to the buyer", "提示买家"),
    "tag": ("tag the order", "订单标签"),
    "hold": ("look at the order", "人工查看"),
    "upsell_hint": ("hint where it nearly holds", "接近条件时提示"),
    "approve": ("approve", "通过"),
    "review": ("hold for review", "转人工审核"),
    "reject": ("reject", "拒绝"),
    "set_tier": ("set the tier", "设定等级"),
    "auto": ("give back at once", "自动退款"),
    "ask": ("ask a person", "转人工处理"),
    "refuse": ("refuse the refund", "拒绝退款"),
    "use_provider": ("use a provider", "使用支付渠道"),
    "refuse_payment": ("refuse the payment", "拒绝支付"),
    "commission_percent": ("commission", "按比例佣金"),
    "commission_per_unit": ("commission per piece", "按件佣金"),
    "commission_per_order": ("commission per order", "按单佣金"),
    "commission_tiers": ("commission by tiers", "阶梯佣金"),
    "commission_floor": ("commission of at least", "最低佣金"),
    "commission_cap": ("commission of at most", "最高佣金"),
    "commission_tax": ("tax on the commission", "佣金税额"),
    "channel_fee": ("channel fee borne by the seller", "卖家承担渠道费"),
    "withhold_tax": ("withhold tax", "代扣税"),
    "pay_after": ("pay the seller after", "结算账期"),
    "keep_reserve": ("keep a reserve", "计提保证金"),
    "all_now": ("pay all at once", "一次付清"),
    "instalments": ("pay in instalments", "分期付款"),
    "deposit": ("deposit and balance", "定金与尾款"),
    "on_delivery": ("pay on delivery", "货到付款"),
}


def decision_named(name: str) -> Decision:
    """The declared decision; `MissingError` where there is none of that name."""
    found = decisions().get(name)
    if found is None:
        raise MissingError("rules.decision_unknown", f"There is no decision {name!r}.")
    return found


def stages_of(document: RuleSetDocument) -> dict[int, tuple[str, str]]:
    """The stages of a rule set, in their order: those of the decision, and those it declares itself."""
    stages = dict(decision_named(document.decision).stages)
    for own in document.options.get("stages", ()):
        if isinstance(own, Mapping) and isinstance(own.get("number"), int):
            en = str(own.get("en", own["number"]))
            stages[own["number"]] = (en, str(own.get("zh") or en))
    return dict(sorted(stages.items()))


def operator_words(kind: FieldKind, op: Operator) -> tuple[str, str]:
    """How the operator is said of a field of this kind."""
    return (_DATE_WORDS if kind is FieldKind.DATE else {}).get(op, OPERATOR_WORDS[op])


def operators_for(field: FieldType) -> tuple[Operator, ...]:
    """The operators that fit the field."""
    return OPERATORS[field.kind] + (_BEING_THERE if field.optional else ())


class Fields(dict[str, FieldType]):
    """The declared fields by dotted name, and those worked out from lines by theirs, where the decision knows lines."""

    def __init__(self, declared: dict[str, FieldType], of_line: dict[str, FieldType] | None) -> None:
        super().__init__(declared)
        self.of_line = of_line

    def __missing__(self, name: str) -> FieldType:
        found: FieldType | None = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """The field of that name, declared or worked out."""
        found = super().get(name)
        if found is None and self.of_line is not None:
            found = aggregate_field(name, self.of_line)
        return default if found is None else found


def aggregate_field(name: str, of_line: Mapping[str, FieldType]) -> FieldType | None:
    """The field of a fact worked out from lines; None where the name is none, or asks what lines do not have."""
    aggregate = aggregate_named(name)
    if aggregate is None:
        return None
    if aggregate.field is None:
        counted = "number of lines where" if aggregate.of == "count" else "number of lines, except where"
        word = Word(counted, "符合条件的行数" if aggregate.of == "count" else "不符合条件的行数", unit="lines")
        return FieldType(name, FieldKind.NUMBER, word, optional=False)
    measured = of_line.get(aggregate.field)
    if measured is None or measured.kind not in (FieldKind.MONEY, FieldKind.NUMBER):
        return None
    en, zh = AGGREGATE_WORDS[aggregate.of]
    word = Word(f"{en} of {measured.word.en}", f"{measured.word.zh}{zh}", unit=measured.word.unit)
    return FieldType(name, measured.kind, word, optional=aggregate.of != "sum")


AGGREGATE_WORDS: dict[str, tuple[str, str]] = {
    "count": ("number of lines", "行数"),
    "sum": ("sum", "合计"),
    "min": ("least", "最小值"),
    "max": ("greatest", "最大值"),
}


@lru_cache(maxsize=200)
def fields_by_name(decision: str, grain: str) -> Fields:
    """The fields rules of this grain may ask about, by dotted name."""
    declared = decision_named(decision)
    of_line = next((one.fields() for one in declared.grains if one.name == "line"), None)
    return Fields(declared.grain(grain).fields(), of_line)


@lru_cache(maxsize=200)
def fact_words(decision: str, grain: str) -> tuple[FactWord, ...]:
    """The words of a decision's grain, in the contract's order."""
    return tuple(word_of(field) for field in fields_by_name(decision, grain).values())


AGGREGATES_OFFERED = (
    Aggregate("count"),
    Aggregate("others"),
    Aggregate("sum", field="line.quantity"),
    Aggregate("sum", field="line.net_minor"),
    Aggregate("min", field="line.unit_price_minor"),
    Aggregate("max", field="line.unit_price_minor"),
)
"""Facts over lines an editor offers, for all lines; which lines are meant is said beside them."""


def aggregate_words(decision: str, grain: str, text: str = "") -> list[FactWord]:
    """The words over lines that the text may mean; none where the decision knows no lines."""
    fields = fields_by_name(decision, grain)
    found = [word_of(fields[one.name]) for one in AGGREGATES_OFFERED if fields.get(one.name) is not None]
    return [word for word in found if word.matches(text.strip())]


def word_of(field: FieldType) -> FactWord:
    """A field as an editor shows it."""
    is_aggregate = aggregate_named(field.name) is not None
    group = field.name.split(".")[0]
    names = ("Lines together", "各行合计") if is_aggregate else GROUP_WORDS.get(group, (group.title(), group))
    return FactWord(
        field.name,
        *names,
        kind=field.kind,
        word=field.word,
        optional=field.optional,
        operators=tuple(OperatorWord(op, *operator_words(field.kind, op)) for op in operators_for(field)),
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
