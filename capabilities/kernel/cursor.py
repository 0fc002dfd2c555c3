"""Cursors of lists: the sort keys of a page's last row, opaque to callers, so that pages stay right while rows come."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from capabilities.kernel.errors import InvalidError


def write_cursor(*parts: str) -> str:
    """The cursor for these sort keys."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str, count: int) -> list[str]:
    """The sort keys of a cursor; `InvalidError` for anything that is not one of `count` keys."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        parts = None
    if not isinstance(parts, list) or len(parts) != count or not all(map(_is_key, parts)):
        raise _unreadable()
    return parts


def _is_key(part: object) -> bool:
    return isinstance(part, str) and "\x00" not in part


def read_moment(part: str) -> datetime:
    """A sort key that is a time; `InvalidError` where it is none, or names no zone."""
    try:
        moment = datetime.fromisoformat(part)
    except ValueError:
        raise _unreadable() from None
    if moment.tzinfo is None:
        raise _unreadable()
    return moment


def _unreadable() -> InvalidError:
    return InvalidError("cursor.unreadable", "This cursor is none of ours.", mend="Begin with the first page.")
