"""Bringing what went live meanwhile into a draft."""

from __future__ import annotations

from dataclasses import replace

from rules.document import Names
from rules.rebase import three_way
from tests.rules.documents import a_document, a_rule

ONE, TWO, THREE = a_rule("r_1"), a_rule("r_2"), a_rule("r_3")


def ids(document):
    return [rule.id for rule in document.rules]


def test_changes_to_different_rules_are_both_kept():
    base = a_document(ONE, TWO)
    mine = a_document({**ONE, "priority": 1}, TWO)
    theirs = a_document(ONE, {**TWO, "priority": 2}, THREE)
    merged, conflicts = three_way(base, mine, theirs)
    assert [rule.priority for rule in merged.rules] == [1, 2, 0]
    assert ids(merged) == ["r_1", "r_2", "r_3"]
    assert conflicts == []


def test_where_both_changed_a_rule_the_drafts_stays_and_is_reported():
    base, mine, theirs = a_document(ONE), a_document({**ONE, "priority": 1}), a_document({**ONE, "priority": 2})
    merged, (conflict,) = three_way(base, mine, theirs)
    assert merged.rules[0].priority == 1
    assert (conflict.rule_id, conflict.mine.priority, conflict.theirs.priority) == ("r_1", 1, 2)


def test_the_same_change_on_both_sides_is_no_conflict():
    changed = {**ONE, "priority": 1}
    merged, conflicts = three_way(a_document(ONE), a_document(changed), a_document(changed))
    assert merged == a_document(changed)
    assert conflicts == []


def test_a_rule_removed_on_either_side_goes_unless_the_draft_changed_it():
    base = a_document(ONE, TWO, THREE)
    merged, conflicts = three_way(base, a_document(ONE, THREE), a_document(TWO, THREE))
    assert ids(merged) == ["r_3"]
    assert conflicts == []
    merged, (conflict,) = three_way(base, a_document({**ONE, "priority": 1}, TWO, THREE), a_document(TWO, THREE))
    assert ids(merged) == ["r_1", "r_2", "r_3"]
    assert conflict.theirs is None


def test_settings_come_from_whoever_changed_them_the_draft_first():
    base = a_document(options={"totals": "running"})
    theirs = replace(base, options={"totals": "original"}, name=Names("Theirs", "他们"))
    assert three_way(base, base, theirs)[0].options == {"totals": "original"}
    mine = replace(base, name=Names("Mine", "我"))
    assert three_way(base, mine, theirs)[0].name.en == "Mine"


def test_without_a_common_base_the_draft_and_what_is_new_are_kept():
    merged, conflicts = three_way(None, a_document(ONE), a_document(TWO))
    assert ids(merged) == ["r_1", "r_2"]
    assert conflicts == []
