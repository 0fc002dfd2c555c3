"""Rules as sentences, in English and in Chinese."""

from __future__ import annotations

import pytest

from rules.sentence import condition_sentence, effect_sentence, money_text, percent_text, rule_sentence
from rules.vocabulary import fields_by_name
from tests.rules.documents import PROMOTIONS, RISK, SPEND_200, a_document, a_rule, asks

VIP = a_rule(
    when={"all": [asks("buyer.tier", "in", ["vip", "gold"]), SPEND_200]},
    effects=[{"kind": "percent_off", "rate_bps": 1_250, "apply": "across", "max_minor": 5_000}],
    window={"from": "2026-11-27T00:00:00", "until": "2026-11-30T00:00:00", "zone": "Asia/Shanghai", "weekdays": [6, 7]},
    coupon="WEEKEND",
    traffic_bps=5_000,
)


def test_a_rule_reads_as_one_sentence():
    rule = a_document(VIP).rules[0]
    assert rule_sentence(PROMOTIONS, rule, "en", "CNY") == (
        "When buyer tier is one of VIP, Gold and order subtotal is at least CNY 200.00, "
        "from 2026-11-27 00:00 until 2026-11-30 00:00 on Sat, Sun (Asia/Shanghai), with the code WEEKEND, "
        "for 50 % of buyers: 12.5 % off goods, across all of them together, at most an order CNY 50.00."
    )


def test_a_rule_reads_as_one_chinese_sentence():
    rule = a_document(VIP).rules[0]
    assert rule_sentence(PROMOTIONS, rule, "zh", "CNY") == (
        "当会员等级是其中之一 贵宾、金卡，且订单小计至少为 CNY 200.00时，"
        "自 2026-11-27 00:00 起至 2026-11-30 00:00 止每周六、周日（Asia/Shanghai），使用优惠码 WEEKEND，"
        "对 50 % 的买家：商品减 12.5 %，合计分摊，每单封顶 CNY 50.00。"
    )


@pytest.mark.parametrize(
    ("condition", "english", "chinese"),
    [
        (
            asks("order.subtotal_minor", "between", [100, 250_000]),
            "order subtotal is between CNY 1.00 and CNY 2,500.00",
            "订单小计介于 CNY 1.00 至 CNY 2,500.00",
        ),
        (asks("line.is_discounted", "eq", value=False), "is not already discounted", "已打折：否"),
        (asks("order.on_date", "gte", "2026-11-27"), "date is on or after 2026-11-27", "日期不早于 2026-11-27"),
        (asks("order.scenario", "missing"), "scenario is not known", "场景未知"),
        (asks("order.quantity", "gte", 3), "number of pieces is at least 3 pieces", None),
        (
            {"any": [asks("buyer.tier", "eq", "vip"), {"all": [SPEND_200, asks("order.hour", "lt", 12)]}]},
            "buyer tier is VIP or (order subtotal is at least CNY 200.00 and hour of the day is less than 12 h)",
            None,
        ),
        (
            {"none": [asks("buyer.tier", "eq", "vip"), SPEND_200]},
            "none of this holds: buyer tier is VIP; order subtotal is at least CNY 200.00",
            "以下均不成立：会员等级是 贵宾；订单小计至少为 CNY 200.00",
        ),
        ({"any": []}, "never", "永不成立"),
    ],
)
def test_conditions_read_aloud(condition, english, chinese):
    when = a_document(a_rule(when=condition)).rules[0].when
    fields = fields_by_name(PROMOTIONS, "line")
    assert condition_sentence(when, fields, "en", "CNY") == english
    if chinese is not None:
        assert condition_sentence(when, fields, "zh", "CNY") == chinese


def test_effects_read_aloud():
    assert (
        effect_sentence(PROMOTIONS, {"kind": "amount_off", "amount_minor": 2_000, "target": "delivery"}, "en", "JPY")
        == "JPY 2,000 off delivery"
    )
    assert effect_sentence(PROMOTIONS, {"kind": "free_delivery"}, "zh", "CNY") == "免运费"
    assert (
        effect_sentence(RISK, {"kind": "review", "reason": "too large"}, "en", "CNY")
        == "hold for review, reason too large"
    )
    assert effect_sentence(PROMOTIONS, {"kind": "teleport"}, "en", "CNY") == "teleport"


def test_a_rule_without_condition_or_effect_still_reads():
    rule = a_document(a_rule(when={"all": []}, effects=[])).rules[0]
    assert rule_sentence(PROMOTIONS, rule, "en", "CNY") == "Always: nothing."
    assert rule_sentence(PROMOTIONS, rule, "zh", "CNY") == "始终：无操作。"


def test_money_and_percent_are_written_exactly():
    assert money_text(-123_456, "EUR") == "EUR −1,234.56"
    assert money_text(1_500, "KWD") == "KWD 1.500"
    assert [percent_text(bps) for bps in (1_000, 1_250, 1_234, 5, 0)] == ["10 %", "12.5 %", "12.34 %", "0.05 %", "0 %"]
