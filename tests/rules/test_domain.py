"""Domains: set algebra over numbers and texts, checked value by value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.domain import EVERY_NUMBER, EVERY_TEXT, HIGHEST, LIMIT, LOWEST, Numbers, Texts, covers, join, meet

VALUES = range(-6, 7)
WORDS = ("a", "b", "c", "d")
spans = st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), max_size=4)
numbers = st.builds(lambda found, missing: Numbers(Numbers.of(found).spans, missing), spans, st.booleans())
texts = st.builds(Texts, st.frozensets(st.sampled_from(WORDS)), st.booleans(), st.booleans())


def members(domain: Numbers | Texts) -> set[object]:
    tried = VALUES if isinstance(domain, Numbers) else WORDS
    return {value for value in tried if domain.has(value)} | ({None} if domain.missing else set())


@given(numbers, numbers)
def test_numbers_meet_and_join_as_sets_do(one, other):
    assert members(meet(one, other)) == members(one) & members(other)
    assert members(join(one, other)) == members(one) | members(other)
    assert members(one.complement()) == {*VALUES, None} - members(one)
    assert one.complement().complement() == one


@given(texts, texts)
def test_texts_meet_and_join_as_sets_do(one, other):
    assert members(meet(one, other)) == members(one) & members(other)
    assert members(join(one, other)) == members(one) | members(other)
    assert members(one.complement()) == {*WORDS, None} - members(one)


@given(numbers, numbers)
def test_covering_is_containing(wide, narrow):
    assert covers(wide, meet(wide, narrow))
    if covers(wide, narrow):
        assert members(narrow) <= members(wide)


@given(numbers)
def test_spans_are_ascending_and_never_touch(domain):
    flat = [end for span in domain.spans for end in span]
    assert flat == sorted(flat)
    assert all(after[0] > before[1] + 1 for before, after in zip(domain.spans, domain.spans[1:], strict=False))


def test_points_and_exceptions_are_told_apart():
    assert Numbers.of([(3, 3), (5, 5)]).points() == (3, 5)
    assert Numbers.of([(3, 4)]).points() is None
    assert Numbers(Numbers.of([(3, 3)]).complement().spans).excluded() == (3,)
    assert Numbers.of([(3, 3)]).complement().excluded() is None
    assert Texts(frozenset(("b", "a"))).points() == ("a", "b")
    assert Texts(frozenset(("a",)), others=True).excluded() == ("a",)


def test_everything_is_everything_and_beyond_the_limit_there_is_one_value():
    assert EVERY_NUMBER.is_everything
    assert EVERY_TEXT.is_everything
    assert Numbers.of([(-(10**30), 10**30)]).spans == ((LOWEST, HIGHEST),)
    assert LIMIT + 1 == HIGHEST
