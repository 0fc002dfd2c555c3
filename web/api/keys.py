"""API keys: issued once in plain text, stored as a hash, scoped to one business and to operations.

A key is 256 random bits, so a plain SHA-256 is a safe way to store it and cheap enough to check on every request.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, MissingError, RefusedError
from capabilities.kernel.ids import new_id
from capabilities.kernel.settings import settings
from web.api.models import ApiClient, ApiKey

OPERATIONS = {
    "quotes.create": "Price a cart without binding anybody",
    "checkouts.create": "Start a checkout and wait for its answer",
    "orders.read": "Read orders and why they cost what they cost",
    "processes.read": "Read how far a process has come",
    "offers.read": "Read what is for sale",
    "buyers.read": "Read the buyers of the business",
    "dues.collect": "Collect what is due of an order, from a card",
    "dues.take_cash": "Tell that cash was taken on delivery",
    "events.read": "Read what has happened, as a feed",
    "orders.change": "Cancel, hand over, announce returns",
    "refunds.create": "Preview refunds and ask for them",
    "payouts.read": "Read payouts and sellers' statements",
    "payouts.run": "Settle by hand",
    "gift_cards.read": "Ask what is on a gift card",
    "webhooks.manage": "Say where events are sent, and send them again",
}
"""What a key may be allowed to do; the scopes of the API."""

LIVE_KEYS = 2
"""The new key and the old one while a front-end is moved from one to the other."""

REMEMBERED_S = 3.0
"""How long a process trusts a key it has looked up: a revoked key stops working within this time."""

LAST_USED_STEP = timedelta(minutes=1)
"""`last_used_at` is that exact: writing it on every request would cost a commit each."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, as far as the API cares."""

    id: str
    name: str
    business: str
    operations: frozenset[str]
    key_id: str
    requests_per_minute: int


def issue_key(
    session: Session,
    business: str,
    name: str,
    operations: Sequence[str] = tuple(OPERATIONS),
    *,
    requests_per_minute: int | None = None,
) -> str:
    """Issue a key to the client of that business and name (made on first use); returns the plain text, once.

    `operations` replace what the client was allowed before. A third live key raises `RefusedError`.
    """
    unknown = sorted(set(operations) - set(OPERATIONS))
    if unknown:
        raise InvalidError(
            "api.operation_unknown",
            f"There is no operation {', '.join(unknown)}.",
            mend=f"Choose from {', '.join(OPERATIONS)}.",
        )
    fresh = {"id": new_id("cli"), "business": business, "name": name, "created_at": now()}
    session.execute(
        insert(ApiClient).values(fresh | {"operations": [], "requests_per_minute": 0}).on_conflict_do_nothing()
    )
    client = session.scalars(
        select(ApiClient).where(ApiClient.business == business, ApiClient.name == name).with_for_update()
    ).one()
    client.operations = sorted(set(operations))
    client.requests_per_minute = requests_per_minute or settings().api_requests_per_minute
    session.flush()
    live = select(func.count()).where(ApiKey.client_id == client.id, ApiKey.revoked_at.is_(None))
    if session.scalar(live) == LIVE_KEYS:
        raise RefusedError(
            "api.keys_exhausted",
            f"{name!r} of {business} has {LIVE_KEYS} live keys already.",
            mend="Revoke the one that is no longer used.",
        )
    plain = f"zk_{business}_{secrets.token_hex(32)}"
    session.add(
        ApiKey(
            id=new_id("key"),
            business=business,
            client_id=client.id,
            prefix=plain[: len(business) + 10],
            secret_sha256=_hashed(plain),
            created_at=now(),
        )
    )
    session.flush()
    return plain


def revoke_key(session: Session, key_id: str) -> None:
    """Revoke a key, once; it stops working everywhere within `REMEMBERED_S`."""
    found = session.get(ApiKey, key_id)
    if found is None:
        raise MissingError("api.key_missing", f"There is no key {key_id}.")
    found.revoked_at = found.revoked_at or now()
    session.flush()


def keys_of(session: Session, business: str, name: str) -> list[ApiKey]:
    """The keys of a client, the newest first."""
    found = (
        select(ApiKey)
        .join(ApiClient, ApiClient.id == ApiKey.client_id)
        .where(ApiClient.business == business, ApiClient.name == name)
        .order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
    )
    return list(session.scalars(found))


def authenticate(session: Session, plain: str) -> Client | None:
    """The client a key belongs to; None for an unknown or revoked key."""
    found = session.execute(
        select(ApiClient, ApiKey)
        .join(ApiKey, ApiKey.client_id == ApiClient.id)
        .where(ApiKey.secret_sha256 == _hashed(plain), ApiKey.revoked_at.is_(None))
    ).one_or_none()
    if found is None:
        return None
    client, key = found
    moment = now()
    if key.last_used_at is None or moment - key.last_used_at > LAST_USED_STEP:
        session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=moment))
    return Client(
        client.id, client.name, client.business, frozenset(client.operations), key.id, client.requests_per_minute
    )


def _hashed(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


class KnownKeys:
    """The keys this process has looked up in the last seconds, so that a busy front-end costs no query a request."""

    def __init__(self, *, limit: int = 10_000) -> None:
        self._known: dict[str, tuple[Client, float]] = {}
        self._limit = limit

    def find(self, plain: str) -> Client | None:
        client, until = self._known.get(_hashed(plain), (None, 0.0))
        return client if until > time.monotonic() else None

    def remember(self, plain: str, client: Client) -> None:
        if len(self._known) >= self._limit:
            self._known.clear()
        self._known[_hashed(plain)] = (client, time.monotonic() + REMEMBERED_S)


class Throttle:
    """A token bucket a key, in this process: `requests_per_minute` on average, a sixth of them at once."""

    def __init__(self, *, limit: int = 10_000) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._limit = limit

    def wait_s(self, client: Client) -> float:
        """0 when the request may go on, else the seconds after which the next one may."""
        rate = client.requests_per_minute / 60
        burst = max(1.0, client.requests_per_minute / 6)
        moment = time.monotonic()
        with self._lock:
            if len(self._buckets) >= self._limit:
                self._buckets.clear()
            tokens, since = self._buckets.get(client.key_id, (burst, moment))
            tokens = min(burst, tokens + (moment - since) * rate)
            if tokens < 1:
                self._buckets[client.key_id] = (tokens, moment)
                return (1 - tokens) / rate
            self._buckets[client.key_id] = (tokens - 1, moment)
            return 0.0
