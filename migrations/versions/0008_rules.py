"""Tables of rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008_rules"
down_revision = "0007_settlement"
branch_labels = None
depends_on = None


IMMUTABLE = ("rule_release", "rule_publication", "rule_audit")
"""What has been decided by a release must stay explainable for ever: the database itself refuses changes."""


def upgrade() -> None:
    op.create_table(
        "rule_audit",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("rule_set_id", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_rule_audit")),
    )
    op.create_index("ix_rule_audit_rule_set_id_sequence", "rule_audit", ["rule_set_id", "sequence"], unique=False)
    op.create_table(
        "rule_draft",
        sa.Column("rule_set_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=False),
        sa.Column("based_on_release_id", sa.String(), nullable=True),
        sa.Column("authors", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("rule_set_id", name=op.f("pk_rule_draft")),
        sa.UniqueConstraint("id", name=op.f("uq_rule_draft_id")),
    )
    op.create_table(
        "rule_publication",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("rule_set_id", sa.String(), nullable=False),
        sa.Column("release_id", sa.String(), nullable=False),
        sa.Column("previous_release_id", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("kind IN ('publish', 'roll_back')", name=op.f("ck_rule_publication_kind")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_rule_publication")),
    )
    op.create_index(
        "ix_rule_publication_rule_set_id_sequence", "rule_publication", ["rule_set_id", "sequence"], unique=False
    )
    op.create_table(
        "rule_release",
        sa.Column("release_id", sa.String(), nullable=False),
        sa.Column("rule_set_id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=False),
        sa.Column("submission_id", sa.String(), nullable=True),
        sa.Column("submitted_by", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_rule_release")),
        sa.UniqueConstraint("rule_set_id", "number", name=op.f("uq_rule_release_rule_set_id_number")),
    )
    op.create_table(
        "rule_set",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("scenario", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("live_release_id", sa.String(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set")),
        sa.UniqueConstraint("business", "scenario", "decision", name=op.f("uq_rule_set_business_scenario_decision")),
    )
    op.create_table(
        "rule_submission",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("rule_set_id", sa.String(), nullable=False),
        sa.Column("draft_id", sa.String(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=False),
        sa.Column("compared_with", sa.String(), nullable=True),
        sa.Column("authors", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("submitted_by", sa.String(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_note", sa.String(), nullable=True),
        sa.Column("release_id", sa.String(), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "status IN ('waiting', 'approved', 'sent_back', 'voided')", name=op.f("ck_rule_submission_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_submission")),
    )
    op.create_index("ix_rule_submission_business_status", "rule_submission", ["business", "status"], unique=False)
    op.create_index(
        "uq_rule_submission_waiting",
        "rule_submission",
        ["rule_set_id"],
        unique=True,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in IMMUTABLE:
        op.execute(
            f"CREATE TRIGGER {table}_is_immutable BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_index(
        "uq_rule_submission_waiting", table_name="rule_submission", postgresql_where=sa.text("status = 'waiting'")
    )
    op.drop_index("ix_rule_submission_business_status", table_name="rule_submission")
    op.drop_table("rule_submission")
    op.drop_table("rule_set")
    op.drop_table("rule_release")
    op.drop_index("ix_rule_publication_rule_set_id_sequence", table_name="rule_publication")
    op.drop_table("rule_publication")
    op.drop_table("rule_draft")
    op.drop_index("ix_rule_audit_rule_set_id_sequence", table_name="rule_audit")
    op.drop_table("rule_audit")
    op.execute("DROP FUNCTION refuse_change()")
