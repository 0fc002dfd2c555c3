"""Who stands beside whom: the exclusion graph."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from capabilities.marketing.contract import AmountOff, FiredRule
from capabilities.marketing.pricing.exclusion import admit
from tests.capabilities.marketing.carts import a_rule

OFF = AmountOff(amount_minor=100)


def stand(*rules: FiredRule, exclusive: str = "wins") -> list[str]:
    return sorted(rule.rule_id for rule in admit(rules, exclusive)[0])


def chain(*pairs: tuple[int, int], count: int = 3, **about: object) -> list[FiredRule]:
    return [a_rule(n, OFF, excludes=tuple(f"r{y}" for x, y in pairs if x == n), **about) for n in range(count)]


def test_a_chain_strikes_every_second_rule() -> None:
    assert stand(*chain((0, 1), (1, 2))) == ["r0", "r2"]
    assert stand(*chain((2, 1), (1, 0))) == ["r0", "r2"]


def test_a_ring_of_two_is_broken_by_the_first_and_a_ring_of_three_leaves_only_it() -> None:
    assert stand(*chain((0, 1), (1, 0), count=2)) == ["r0"]
    assert stand(*chain((0, 1), (1, 2), (2, 0))) == ["r0"]
    assert admit(chain((0, 1), (1, 2), (2, 0)))[1] == {"r1": "r0", "r2": "r0"}


def test_a_rule_that_a_ring_excludes_is_not_taken_for_a_member_of_it() -> None:
    # r0 comes first, but it is only excluded by the ring of r1 and r2; r1 breaks the ring and strikes r0
    assert stand(*chain((1, 0), (1, 2), (2, 1))) == ["r1"]


def test_with_equal_priority_a_declared_pair_with_an_exclusive_rule_is_a_ring_the_first_of_which_stands() -> None:
    first_excludes = [a_rule(0, OFF, excludes=("r1",)), a_rule(1, OFF, exclusive="stage"), a_rule(2, OFF)]
    assert stand(*first_excludes) == ["r0", "r2"]


def test_an_exclusive_rule_of_lower_priority_is_struck_when_priority_wins() -> None:
    rules = [
        a_rule(0, OFF, priority=9),
        a_rule(1, OFF, priority=5, exclusive="stage"),
        a_rule(2, OFF, priority=5),
        a_rule(3, OFF, priority=1),
    ]
    assert stand(*rules, exclusive="by_priority") == ["r0", "r2", "r3"]
    assert stand(*rules[1:], exclusive="by_priority") == ["r1"]
    assert stand(*rules, exclusive="wins") == ["r1"]


def test_the_one_who_struck_is_named() -> None:
    assert admit(chain((0, 1), (1, 2)))[1] == {"r1": "r0"}


@st.composite
def rings(draw: st.DrawFn) -> list[FiredRule]:
    count = draw(st.integers(1, 10))
    return [
        a_rule(
            number,
            OFF,
            priority=draw(st.integers(0, 2)),
            exclusive=draw(st.sampled_from(["no", "no", "no", "stage"])),
            excludes=tuple(f"r{x}" for x in draw(st.lists(st.integers(0, count), max_size=3))),
        )
        for number in range(count)
    ]


@given(rings(), st.sampled_from(["wins", "by_priority"]))
def test_every_rule_is_decided_and_those_that_stand_agree(rules: list[FiredRule], exclusive: str) -> None:
    standing, struck = admit(rules, exclusive)

    ids = {rule.rule_id for rule in standing}
    assert ids | set(struck) == {rule.rule_id for rule in rules}
    assert not ids & set(struck)
    assert ids
    assert set(struck.values()) <= ids
    for rule in standing:
        assert not ids & (set(rule.excludes) - {rule.rule_id})
        assert rule.exclusive == "no" or len(ids) == 1


@given(rings())
def test_without_a_ring_nobody_is_struck_but_by_one_of_his_rank_or_higher(rules: list[FiredRule]) -> None:
    priority = {rule.rule_id: rule.priority for rule in rules}
    _, struck = admit(rules, "by_priority")

    assert all(priority[by] >= priority[struck_id] for struck_id, by in struck.items())


def test_ten_thousand_rules_are_decided_in_a_moment() -> None:
    exclusive = [a_rule(n, OFF, exclusive="stage", priority=n % 7) for n in range(10_000)]
    pairs = [a_rule(n, OFF, excludes=(f"r{n + 1}",)) for n in range(10_000)]
    began = time.perf_counter()

    assert len(stand(*exclusive)) == 1
    assert len(stand(*exclusive, exclusive="by_priority")) == 1
    assert len(stand(*pairs)) == 5_000
    assert time.perf_counter() - began < 10
