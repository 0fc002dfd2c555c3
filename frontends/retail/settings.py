"""What the shop must know: where the API is, its key, and its own port.

From the environment; a demo installation's `state/demo.json` answers what is not set.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUSINESS = "retail"


class NotConfiguredError(Exception):
    """The shop cannot find the platform; the sentence says what to set."""


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """`cookie_secret` signs carts; derived from the API key unless set, so that carts survive a restart."""

    api_url: str
    api_key: str
    cookie_secret: str
    host: str = "127.0.0.1"
    port: int = 8081


def read_settings() -> ShopSettings:
    """Settings from ZHONGTAI_API_URL, ZHONGTAI_API_KEY, ZHONGTAI_SHOP_PORT, ZHONGTAI_SHOP_SECRET, or the demo's file."""
    demo = _demo_facts()
    keys = demo.get("api_keys") or {}
    api_url = os.environ.get("ZHONGTAI_API_URL") or demo.get("api_url")
    api_key = os.environ.get("ZHONGTAI_API_KEY") or keys.get(BUSINESS)
    if not api_url or not api_key:
        raise NotConfiguredError(
            "The shop needs ZHONGTAI_API_URL and ZHONGTAI_API_KEY, or a demo started by `make up` (state/demo.json)."
        )
    return ShopSettings(
        api_url=str(api_url).rstrip("/").removesuffix("/api/v1"),
        api_key=str(api_key),
        cookie_secret=os.environ.get("ZHONGTAI_SHOP_SECRET") or hashlib.sha256(f"cart {api_key}".encode()).hexdigest(),
        host=os.environ.get("ZHONGTAI_SHOP_HOST", "127.0.0.1"),
        port=int(os.environ.get("ZHONGTAI_SHOP_PORT", "8081")),
    )


def _demo_facts() -> dict[str, Any]:
    path = Path(os.environ.get("ZHONGTAI_STATE_FOLDER", "state")) / "demo.json"
    try:
        facts = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
