"""Idempotency keys as Stripe keeps them, in our own database: same key and body, same bytes; other body, conflict."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from capabilities.kernel.clock import now
from capabilities.kernel.database import Base, BusinessRow, SmallInt, rows_changed, table_of
from capabilities.kernel.errors import ConflictError


class IdempotencyRow(BusinessRow, Base):
    """One key of one API client. `answer_*` is set once, in the transaction of the reply."""

    __tablename__ = "idempotency"

    client_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[str]
    run_id: Mapped[str] = mapped_column(index=True)
    answer_status: Mapped[int | None] = mapped_column(SmallInt)
    answer_body: Mapped[str | None]
    created_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


_ROWS = table_of(IdempotencyRow)
CLAIM = insert(_ROWS).on_conflict_do_nothing().returning(_ROWS.c.run_id)
STORE = (
    update(_ROWS)
    .where(_ROWS.c.run_id == bindparam("of_run"), _ROWS.c.answer_status.is_(None))
    .values(answer_status=bindparam("status"), answer_body=bindparam("body"), answered_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The stored answer: an HTTP status and the exact text of the body."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """What claiming a key found: `is_new` for the first caller, the answer when there is one already."""

    run_id: str
    is_new: bool
    answer: Answer | None


def canonical_sha256(body: Any) -> str:
    """SHA-256 of canonical JSON (sorted keys, no spaces) of a validated request."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def claim_key(session: Session, *, business: str, client_id: str, key: str, body_sha256: str, run_id: str) -> Claimed:
    """Claim a key for a run, or find the earlier claim. Another body under the same key raises `ConflictError`."""
    row = {
        "client_id": client_id,
        "key": key,
        "business": business,
        "body_sha256": body_sha256,
        "run_id": run_id,
        "created_at": now(),
    }
    added = session.execute(CLAIM, row).scalar()
    if added is not None:
        return Claimed(run_id, is_new=True, answer=None)
    found = session.execute(
        select(IdempotencyRow).where(IdempotencyRow.client_id == client_id, IdempotencyRow.key == key)
    ).scalar_one()
    if found.body_sha256 != body_sha256:
        raise ConflictError(
            "idempotency.key_reused",
            "This Idempotency-Key was used for another request.",
            mend="Send the first request again unchanged, or use a new key.",
        )
    answer = Answer(found.answer_status, found.answer_body or "") if found.answer_status is not None else None
    return Claimed(found.run_id, is_new=False, answer=answer)


def store_answer(session: Session, *, run_id: str, answer: Answer) -> Answer:
    """Store the answer of a run once; a later call changes nothing. Returns what is stored."""
    said = {"of_run": run_id, "status": answer.status, "body": answer.body, "at": now()}
    stored = session.execute(STORE, said)
    return answer if rows_changed(stored) else answer_of(session, run_id) or answer


def answer_of(session: Session, run_id: str) -> Answer | None:
    """The stored answer of a run, None while there is none."""
    found = session.execute(
        select(IdempotencyRow.answer_status, IdempotencyRow.answer_body).where(IdempotencyRow.run_id == run_id)
    ).one_or_none()
    return (
        Answer(found.answer_status, found.answer_body or "")
        if found is not None and found.answer_status is not None
        else None
    )
