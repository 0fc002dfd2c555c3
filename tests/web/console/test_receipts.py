"""The receipt of the console: what became of a rule, in words."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from capabilities.marketing.contract import RuleVerdict
from web.access.contract import Language
from web.console.receipts import _verdict
from web.console.rule_words import Wording

ENGLISH = Wording("marketing.promotions", Language.EN, "CNY", ZoneInfo("Asia/Shanghai"))


def test_a_beaten_rule_says_what_it_would_have_given_not_what_it_wished() -> None:
    """A rule of 100 off that a floor price would have held to 60 was beaten by one that gave more than 60."""
    beaten = RuleVerdict(
        rule_id="r_1",
        rule_name="100 off",
        rule_set_id="rs_1",
        release_id="rel_1",
        stage=30,
        grain="order",
        outcome="lost_in_group",
        by_rule_id="r_2",
        by_rule_name="20 % off",
        wished_minor=100_00,
        given_minor=60_00,
    )
    assert _verdict(beaten, None, ENGLISH).why == "beaten by 20 % off; would have given ¥60.00"
