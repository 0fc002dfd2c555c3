"""Effects as phrases, in English and in Chinese: what they do first, then their limits. Words come from the contracts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from capabilities.kernel.decision import FieldKind, FieldType, fields_of
from capabilities.kernel.expression import Condition, Group, Test, condition_from_json
from rules.condition_sentence import Language, condition_sentence, field_name, money_text, value_text
from rules.vocabulary import EFFECT_NAMES, decision_named, fields_by_name

MoneyText = Callable[[int, str], str]


class EffectPhrases:
    """Says effects of one decision in one language, with the money of one business."""

    def __init__(self, decision: str, language: Language, currency: str, money: MoneyText = money_text) -> None:
        self._decision = decision
        self._language: Language = language
        self._currency = currency
        self._money = money
        self._is_english = language == "en"

    def say(self, effect: Mapping[str, Any]) -> str:
        """An effect in words, such as "10 % off the goods, across all of them together, at most CNY 50.00"."""
        kind = str(effect.get("kind"))
        declared = decision_named(self._decision).effect(kind)
        if declared is None:
            return kind
        fields = {field.name: field for field in fields_of(declared)}
        defaults = {name: info.default for name, info in declared.model_fields.items() if not info.is_required()}
        said = {
            name: self._value(effect[name], field)
            for name, field in fields.items()
            if effect.get(name) not in (None, (), [])
            and not (effect[name] == defaults.get(name) and name in _SILENT_DEFAULTS)
        }
        main = self._main(kind, said)
        rest = [self._field(fields[name], text) for name, text in said.items()]
        return (", " if self._is_english else "，").join([main, *rest])

    def _either(self, en: str, zh: str) -> str:
        return en if self._is_english else zh

    # --- values -------------------------------------------------------------------------------------------------

    def _value(self, value: Any, field: FieldType) -> str:
        if field.kind is FieldKind.ROWS:
            return self._either("; ", "；").join(self._row(row, field.columns) for row in value)
        if field.kind is FieldKind.SELECTOR:
            return self._selector(value)
        if field.kind is FieldKind.MONEY and isinstance(value, int):
            return self._money(value, self._currency)
        return value_text(value, field, self._language, self._currency)

    def _row(self, row: Mapping[str, Any], columns: Sequence[FieldType]) -> str:
        if "of" in row or {column.name for column in columns} == {"units", "of"}:
            goods = self._selector(row["of"]) if row.get("of") else self._either("any goods", "任意商品")
            return f"{row.get('units', 1)} × {goods}"
        said = [
            f"{field_name(column, self._language)} {self._value(row[column.name], column)}"
            for column in columns
            if row.get(column.name) not in (None, 0)
        ]
        return " ".join(said) or self._either("nothing", "无")

    def _selector(self, value: Any) -> str:
        condition: Condition = value if isinstance(value, Test | Group) else condition_from_json(value)
        fields = fields_by_name(self._decision, "line")
        text = condition_sentence(condition, fields, self._language, self._currency)
        return self._either(f"goods whose {text}", f"{text}的商品")

    def _field(self, field: FieldType, text: str) -> str:
        if field.word.choices:
            return text
        name = field_name(field, self._language)
        return f"{name} {text}" if self._is_english or text[:1].isascii() else f"{name}：{text}"

    # --- phrases ------------------------------------------------------------------------------------------------

    def _main(self, kind: str, said: dict[str, str]) -> str:
        target = said.pop("target", None) or self._either("goods", "商品")
        simple = {"percent_off": "rate_bps", "amount_off": "amount_minor", "set_price": "price_minor"}.get(kind)
        if simple in said:
            value = said.pop(simple)
            return {
                "percent_off": self._either(f"{value} off {target}", f"{target}减 {value}"),
                "amount_off": self._either(f"{value} off {target}", f"{target}立减 {value}"),
                "set_price": self._either(f"{target} at {value}", f"{target}价格为 {value}"),
            }[kind]
        phrases: dict[str, Callable[[dict[str, str]], str]] = {
            "buy_get": self._buy_get,
            "bundle": self._bundle,
            "gift": self._gift,
            "message": self._message,
            "tier_price": lambda said: self._tiers("price by quantity", "阶梯价", said),
            "spend_tiers": lambda said: self._tiers(f"off {target} by what is spent", f"{target}满减", said),
        }
        phrase = phrases.get(kind)
        name = EFFECT_NAMES.get(kind, (kind.replace("_", " "), kind))[not self._is_english]
        try:
            return phrase(said) if phrase is not None else name
        except KeyError:  # not filled in yet
            return name

    def _message(self, said: dict[str, str]) -> str:
        en, zh = said.pop("en"), said.pop("zh", None)
        return f"“{self._either(en, zh or en)}”"

    def _tiers(self, en: str, zh: str, said: dict[str, str]) -> str:
        tiers = said.pop("tiers")
        return self._either(f"{en} ({tiers})", f"{zh}（{tiers}）")

    def _buy_get(self, said: dict[str, str]) -> str:
        bought = said.pop("buy", None)
        got = said.pop("get", None)
        count = said.pop("get_units", None) or self._either("1 pieces", "1 件")
        any_goods = self._either("the goods", "商品")
        same = self._either("of the same", "同类")
        if "buy_units" in said:
            units = said.pop("buy_units")
            buy = self._either(f"buy {units} of {bought or any_goods}", f"买 {units}")
        else:
            spent = said.pop("buy_minor")
            buy = self._either(f"spend {spent} on {bought or any_goods}", f"消费 {spent}")
        if not self._is_english and bought:
            buy += f"（{bought}）"
        price = self._at(said)
        return self._either(
            f"{buy}, get {count} {f'of {got}' if got else same} {price}",
            f"{buy}，{got or same} {count}{price}",
        )

    def _at(self, said: dict[str, str]) -> str:
        if "rate_bps" in said:
            rate = said.pop("rate_bps")
            if rate == "100 %":
                return self._either("free", "免费")
            return self._either(f"at {rate} off", f"减 {rate}")
        if "amount_minor" in said:
            amount = said.pop("amount_minor")
            return self._either(f"at {amount} off each", f"每件立减 {amount}")
        price = said.pop("price_minor")
        return self._either(f"at {price} each", f"每件 {price}")

    def _bundle(self, said: dict[str, str]) -> str:
        parts = said.pop("parts")
        if "cheapest_free" in said:
            free = said.pop("cheapest_free")
            return self._either(
                f"of a set of {parts} the cheapest {free} free", f"组合（{parts}）中最便宜的 {free}免费"
            )
        if "rate_bps" in said:
            rate = said.pop("rate_bps")
            return self._either(f"a set of {parts} at {rate} off", f"组合（{parts}）减 {rate}")
        price = said.pop("price_minor")
        return self._either(f"a set of {parts} for {price}", f"组合（{parts}）共 {price}")

    def _gift(self, said: dict[str, str]) -> str:
        skus, units = said.pop("skus"), said.pop("units", None)
        count = f" × {units}" if units else ""
        return self._either(f"a gift: {skus}{count}", f"赠送 {skus}{count}")


_SILENT_DEFAULTS = frozenset(
    {"select", "raises", "sets", "partial", "package_units", "first_free", "multiple", "counted"}
)
"""Choices that go without saying while they are what the contract says anyway."""
