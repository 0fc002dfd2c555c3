"""Words: generated from the contracts, found in both languages, with the operators that fit."""

from __future__ import annotations

import pytest

from capabilities.kernel.decision import FieldKind, decisions, effect_kind
from capabilities.kernel.errors import MissingError
from capabilities.kernel.expression import Operator
from rules.vocabulary import (
    EFFECT_NAMES,
    OPERATOR_WORDS,
    OPERATORS,
    decision_named,
    effect_words,
    fact_words,
    search_words,
)
from tests.rules.documents import PROMOTIONS


def names(text, grain="order"):
    return [word.name for word in search_words(PROMOTIONS, grain, text)]


@pytest.mark.parametrize("text", ["order subtotal", "SUBTOTAL", "小计", "basket value", "满"])
def test_a_word_is_found_by_name_synonym_and_in_both_languages(text):
    assert "order.subtotal_minor" in names(text)


def test_a_word_is_found_by_its_choices():
    assert "buyer.tier" in names("贵宾")
    assert "buyer.tier" in names("gold")


def test_words_that_begin_with_the_text_come_first():
    assert names("coupon")[0] == "order.coupon_codes"
    assert names("nothing like it") == []
    assert names("") == [word.name for word in fact_words(PROMOTIONS, "order")]


def test_lines_have_more_words_than_orders():
    order, line = ({w.name for w in fact_words(PROMOTIONS, grain)} for grain in ("order", "line"))
    assert order < line
    assert "line.sku" in line


def test_only_operators_that_fit_are_offered():
    words = {word.name: [o.op for o in word.operators] for word in fact_words(PROMOTIONS, "line")}
    assert words["line.category"][0] is Operator.WITHIN
    assert Operator.GTE not in words["buyer.tier"]
    assert Operator.MISSING in words["order.scenario"]
    assert Operator.MISSING not in words["order.subtotal_minor"]


def test_dates_are_before_and_after_rather_than_less_and_more():
    (date,) = [word for word in fact_words(PROMOTIONS, "order") if word.name == "order.on_date"]
    assert {o.op: o.en for o in date.operators}[Operator.LT] == "is before"


def test_every_kind_has_operators_and_every_operator_words():
    assert set(OPERATORS) == set(FieldKind)
    assert set(OPERATOR_WORDS) == set(Operator)


def test_every_word_and_effect_of_every_decision_has_both_languages():
    for decision in decisions().values():
        for grain in decision.grains:
            for word in fact_words(decision.name, grain.name):
                assert word.word.en
                assert any("\u4e00" <= c <= "\u9fff" for c in word.word.zh), word.name
        assert {word.kind for word in effect_words(decision.name)} == {effect_kind(e) for e in decision.effects}
        assert {effect_kind(e) for e in decision.effects} <= set(EFFECT_NAMES)


def test_an_unknown_decision_is_missing():
    with pytest.raises(MissingError):
        decision_named("no.such")
