"""The tiers of buyers as every vocabulary words them; `user` decides who has which."""

from __future__ import annotations

from collections.abc import Mapping

TIERS: Mapping[str, tuple[str, str]] = {
    "standard": ("Standard", "普通"),
    "silver": ("Silver", "银卡"),
    "gold": ("Gold", "金卡"),
    "vip": ("VIP", "贵宾"),
}
"""In English and Chinese, lowest first."""
