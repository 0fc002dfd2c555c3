"""Tables of rules: rule sets, their one draft, submissions, immutable releases, what went live when, and the audit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


class RuleSetRow(BusinessRow, Base):
    """The rules of one decision for one business identity. `scenario` is empty for the business as a whole."""

    __tablename__ = "rule_set"
    __table_args__ = (UniqueConstraint("business", "scenario", "decision"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    scenario: Mapped[str]
    decision: Mapped[str]
    name_en: Mapped[str]
    name_zh: Mapped[str]
    live_release_id: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class RuleDraftRow(BusinessRow, Base):
    """The one open draft of a rule set. `revision` rises with every change; `authors` is everybody who made one."""

    __tablename__ = "rule_draft"

    rule_set_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    revision: Mapped[int]
    document: Mapped[dict[str, Any]]
    content_sha256: Mapped[str]
    based_on_release_id: Mapped[str | None]
    authors: Mapped[list[str]]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_by: Mapped[str]
    updated_at: Mapped[datetime]


class RuleSubmissionRow(BusinessRow, Base):
    """A draft as it was submitted: bound to its content and to the live release it was compared with."""

    __tablename__ = "rule_submission"
    __table_args__ = (
        CheckConstraint("status IN ('waiting', 'approved', 'sent_back', 'voided')", name="status"),
        Index("uq_rule_submission_waiting", "rule_set_id", unique=True, postgresql_where=text("status = 'waiting'")),
        Index("ix_rule_submission_business_status", "business", "status"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    rule_set_id: Mapped[str]
    draft_id: Mapped[str]
    document: Mapped[dict[str, Any]]
    content_sha256: Mapped[str]
    compared_with: Mapped[str | None]
    authors: Mapped[list[str]]
    reason: Mapped[str]
    status: Mapped[str]
    submitted_by: Mapped[str]
    submitted_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decision_note: Mapped[str | None]
    release_id: Mapped[str | None]


class RuleReleaseRow(BusinessRow, Base):
    """A release: never changed, never deleted (a trigger refuses both). `number` counts within the rule set."""

    __tablename__ = "rule_release"
    __table_args__ = (UniqueConstraint("rule_set_id", "number"),)

    release_id: Mapped[str] = mapped_column(primary_key=True)
    rule_set_id: Mapped[str]
    decision: Mapped[str]
    number: Mapped[int]
    document: Mapped[dict[str, Any]]
    content_sha256: Mapped[str]
    submission_id: Mapped[str | None]
    submitted_by: Mapped[str]
    approved_by: Mapped[str]
    created_at: Mapped[datetime]


class RulePublicationRow(BusinessRow, Base):
    """A release went live: published or rolled back to. Like releases, never changed."""

    __tablename__ = "rule_publication"
    __table_args__ = (
        CheckConstraint("kind IN ('publish', 'roll_back')", name="kind"),
        Index("ix_rule_publication_rule_set_id_sequence", "rule_set_id", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    rule_set_id: Mapped[str]
    release_id: Mapped[str]
    previous_release_id: Mapped[str | None]
    kind: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class RuleAuditRow(BusinessRow, Base):
    """Who did what to a rule set, and why. Only ever added to."""

    __tablename__ = "rule_audit"
    __table_args__ = (Index("ix_rule_audit_rule_set_id_sequence", "rule_set_id", "sequence"),)

    sequence: Mapped[int] = mapped_column(Identity(), primary_key=True)
    rule_set_id: Mapped[str]
    action: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str]
    details: Mapped[dict[str, Any]]
    at: Mapped[datetime]
