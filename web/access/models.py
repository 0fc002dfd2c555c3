"""Tables of access: people, their roles, sessions, attempts to sign in, and the audit chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


class Operator(BusinessRow, Base):
    """A person who may sign in. `business` is where they belong; what they may do stands in `operator_role`."""

    __tablename__ = "operator"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    language: Mapped[str]
    theme: Mapped[str]
    last_business: Mapped[str | None]
    """Where they were last: the console opens there."""
    is_active: Mapped[bool]
    is_demo: Mapped[bool]
    created_at: Mapped[datetime]


class OperatorRole(BusinessRow, Base):
    """One role of one person in one line of business (`platform`: in all of them)."""

    __tablename__ = "operator_role"

    operator_id: Mapped[str] = mapped_column(primary_key=True)
    business: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class SignInSession(BusinessRow, Base):
    """A session on the server's side: the cookie's token is kept as a hash only."""

    __tablename__ = "sign_in_session"

    token_sha256: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[str] = mapped_column(index=True)
    csrf_token: Mapped[str]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class SignInAttempt(BusinessRow, Base):
    """A refused attempt, counted by name and by address."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (
        Index("ix_sign_in_attempt_email_at", "email", "at"),
        Index("ix_sign_in_attempt_address_at", "address", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    email: Mapped[str]
    address: Mapped[str]
    at: Mapped[datetime]


class AuditEntry(BusinessRow, Base):
    """Who did what, chained by hashes. A trigger refuses to change or delete a row."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_business_sequence", "business", "sequence"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]
    previous_sha256: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
