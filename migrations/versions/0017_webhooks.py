"""Webhook endpoints and deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017_webhooks"
down_revision = "0016_settlement"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "process_approval",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("shows", postgresql.JSONB(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("decision IN ('approve', 'refuse')", name=op.f("ck_process_approval_decision_known")),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> asked_by", name=op.f("ck_process_approval_four_eyes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_approval")),
        sa.UniqueConstraint("run_id", "path", "iteration", name=op.f("uq_process_approval_run_id_path_iteration")),
    )
    op.create_index(
        "ix_process_approval_open",
        "process_approval",
        ["business", "role", "id"],
        unique=False,
        postgresql_where=sa.text("decision IS NULL"),
    )
    op.add_column("process_run", sa.Column("parent_run_id", sa.String(), nullable=True))
    op.add_column("process_run", sa.Column("parent_step", sa.String(), nullable=True))
    op.create_index(op.f("ix_process_run_parent_run_id"), "process_run", ["parent_run_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_process_run_parent_run_id"), table_name="process_run")
    op.drop_column("process_run", "parent_step")
    op.drop_column("process_run", "parent_run_id")
    op.drop_index(
        "ix_process_approval_open", table_name="process_approval", postgresql_where=sa.text("decision IS NULL")
    )
    op.drop_table("process_approval")
