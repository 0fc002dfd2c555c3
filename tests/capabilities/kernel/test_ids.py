"""Ids: new ones differ, derived ones repeat."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.ids import derived_id, new_id


def test_new_ids_differ_and_have_the_form_of_a_prefix_and_26_characters():
    ids = {new_id("pay") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"pay_[0-9A-HJKMNP-TV-Z]{26}", made) for made in ids)


@given(st.lists(st.text(max_size=10), min_size=1, max_size=4))
def test_a_derived_id_is_the_same_for_the_same_parts(parts):
    assert derived_id("ord", *parts) == derived_id("ord", *parts)
    assert re.fullmatch(r"ord_[0-9A-HJKMNP-TV-Z]{26}", derived_id("ord", *parts))


def test_parts_are_kept_apart():
    assert derived_id("ord", "ab", "c") != derived_id("ord", "a", "bc")
