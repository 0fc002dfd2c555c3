"""Secrets of endpoints. They stand nowhere: each is made of the installation's own secret and of a seed that is kept.

Whoever reads the database alone can sign nothing. A secret that was kept as it is by an earlier version goes on until it is
rotated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.settings import settings

PREFIX = "whsec_"
"""How Standard Webhooks writes a secret; no seed begins so."""


def new_seed() -> str:
    """What a secret is made of, beside the installation's."""
    return "seed_" + secrets.token_urlsafe(24)


def secret_of(endpoint_id: str, seed: str) -> str:
    """The secret of an endpoint. Raises `UnavailableError` where the installation has none of its own."""
    if seed.startswith(PREFIX):
        return seed
    own = settings().secret_key
    if not own:
        raise UnavailableError(
            "webhook.secret_missing",
            "Webhooks are signed with secrets made of this installation's own, and it has none.",
            mend="Set ZHONGTAI_SECRET_KEY.",
        )
    made = hmac.new(own.encode(), f"webhook/{endpoint_id}/{seed}".encode(), hashlib.sha256).digest()
    return PREFIX + base64.b64encode(made).decode()
