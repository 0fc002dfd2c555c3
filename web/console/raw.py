"""Stored values in their raw form, folded away on pages."""

from __future__ import annotations

import json
from typing import Any


def as_json(value: Any) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
