"""The audit chain: append-only, each entry carrying the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from web.access.models import AuditEntry

BEGINNING = "0" * 64
_LOCK = 7_340_017
"""Advisory lock of the chain: entries are written one after another."""


def record_act(
    session: Session, *, business: str, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> AuditEntry:
    """Append an entry in the current transaction. The chain's lock is held until that ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    last = session.scalars(select(AuditEntry).order_by(AuditEntry.sequence.desc()).limit(1)).first()
    entry = AuditEntry(
        sequence=last.sequence + 1 if last else 1,
        business=business,
        at=now(),
        actor=actor,
        action=action,
        subject=subject,
        detail=detail or {},
        previous_sha256=last.sha256 if last else BEGINNING,
    )
    entry.sha256 = hash_of(entry)
    session.add(entry)
    session.flush()
    return entry


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 over the entry's content and the hash before it, as canonical JSON."""
    content = {
        "sequence": entry.sequence,
        "business": entry.business,
        "at": entry.at.isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "previous": entry.previous_sha256,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def first_break(session: Session) -> int | None:
    """The sequence of the first entry that does not fit the chain; None where it is whole."""
    previous, expected = BEGINNING, 1
    found = select(AuditEntry).order_by(AuditEntry.sequence).execution_options(yield_per=1_000)
    with closing(session.scalars(found)) as entries:
        for entry in entries:
            if entry.sequence != expected or entry.previous_sha256 != previous or entry.sha256 != hash_of(entry):
                return entry.sequence
            previous, expected = entry.sha256, expected + 1
    return None


def entries_page(
    session: Session, business: str | None, *, before: int | None = None, limit: int = 50
) -> list[AuditEntry]:
    """The newest entries first; of one line of business, or all of them for None."""
    found = select(AuditEntry).order_by(AuditEntry.sequence.desc()).limit(limit)
    if business is not None:
        found = found.where(AuditEntry.business == business)
    if before is not None:
        found = found.where(AuditEntry.sequence < before)
    return list(session.scalars(found))
