"""Ids: a short prefix and a ULID (`pay_01J9…`), or derived from a key where a repeated run must find the same one."""

from __future__ import annotations

import base64
import hashlib

from ulid import ULID

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RFC4648 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_CROCKFORD = str.maketrans(_RFC4648, CROCKFORD)


def new_id(prefix: str) -> str:
    """A new id, sortable by time: `prefix_` and 26 characters of Crockford base32."""
    return f"{prefix}_{ULID()}"


def derived_id(prefix: str, *parts: str) -> str:
    """The same id for the same parts: `prefix_` and the first 130 bits of their SHA-256 in Crockford base32."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().translate(_TO_CROCKFORD)[:26]}"
