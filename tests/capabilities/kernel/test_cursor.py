"""Cursors: opaque, exact, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.kernel.cursor import read_cursor, read_moment, write_cursor
from capabilities.kernel.errors import InvalidError

TEXT = st.text(st.characters(exclude_characters="\x00"))


@given(parts=st.lists(TEXT, min_size=1, max_size=3))
def test_a_cursor_gives_back_its_keys(parts: list[str]) -> None:
    assert read_cursor(write_cursor(*parts), len(parts)) == parts


@given(text=st.text(max_size=40))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_cursor(text, 2)
    assert caught.value.code == "cursor.unreadable"


def test_a_cursor_with_what_no_database_keeps_is_none() -> None:
    with pytest.raises(InvalidError):
        read_cursor(write_cursor("food\x00", "tea"), 2)


@pytest.mark.parametrize("part", ["yesterday", "2026-11-25T10:00:00"])
def test_a_moment_names_its_zone(part: str) -> None:
    with pytest.raises(InvalidError):
        read_moment(part)
