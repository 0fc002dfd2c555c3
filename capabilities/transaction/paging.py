"""How long a page of a list may be."""

from __future__ import annotations

MAX_PAGE = 200


def page_size(limit: int) -> int:
    """A page has at least one entry and at most `MAX_PAGE`, whatever was asked."""
    return max(1, min(limit, MAX_PAGE))
