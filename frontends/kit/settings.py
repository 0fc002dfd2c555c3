"""What a front-end must know: where the API is, its key, and its own port.

From the environment; a demo installation's `state/demo.json` answers what is not set.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORTS = {"retail": 8081, "finance": 8082, "logistics": 8083, "tourism": 8084}
"""Where each front-end listens unless told otherwise."""


class NotConfiguredError(Exception):
    """The front-end cannot find the platform; the sentence says what to set."""


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """`cookie_secret` signs cookies; derived from the API key unless set, so that carts survive a restart."""

    api_url: str
    api_key: str
    cookie_secret: str
    host: str = "127.0.0.1"
    port: int = PORTS["retail"]


def read_settings(business: str) -> FrontSettings:
    """Settings of the front-end of a line of business, whose name stands in the variables in capitals.

    From ZHONGTAI_API_URL, ZHONGTAI_API_KEY_<BUSINESS> (or ZHONGTAI_API_KEY), ZHONGTAI_<BUSINESS>_PORT, ZHONGTAI_SHOP_HOST
    and ZHONGTAI_SHOP_SECRET, or the demo's file. The port of retail is also called ZHONGTAI_SHOP_PORT.
    """
    named = business.upper()
    demo = _demo_facts()
    keys = demo.get("api_keys") or {}
    api_url = os.environ.get("ZHONGTAI_API_URL") or demo.get("api_url")
    api_key = os.environ.get(f"ZHONGTAI_API_KEY_{named}") or os.environ.get("ZHONGTAI_API_KEY") or keys.get(business)
    if not api_url or not api_key:
        raise NotConfiguredError(
            f"The front-end of {business} needs ZHONGTAI_API_URL and ZHONGTAI_API_KEY_{named}, or a demo started by "
            "`make up` (state/demo.json)."
        )
    secret = os.environ.get("ZHONGTAI_SHOP_SECRET")
    port = os.environ.get(f"ZHONGTAI_{named}_PORT") or (
        os.environ.get("ZHONGTAI_SHOP_PORT") if business == "retail" else None
    )
    return FrontSettings(
        api_url=str(api_url).rstrip("/").removesuffix("/api/v1"),
        api_key=str(api_key),
        cookie_secret=secret or hashlib.sha256(f"cart {api_key}".encode()).hexdigest(),
        host=os.environ.get("ZHONGTAI_SHOP_HOST", "127.0.0.1"),
        port=int(port or PORTS.get(business, 8080)),
    )


def _demo_facts() -> dict[str, Any]:
    path = Path(os.environ.get("ZHONGTAI_STATE_FOLDER", "state")) / "demo.json"
    try:
        facts = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
