"""Tables of journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009_journal"
down_revision = "0008_rules"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "process_definition",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("business", sa.String(), nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_process_definition")),
    )
    op.create_table(
        "process_repair",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("change", postgresql.JSONB(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_repair")),
    )
    op.create_index(op.f("ix_process_repair_run_id"), "process_repair", ["run_id"], unique=False)
    op.create_table(
        "process_run",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("scenario", sa.String(), nullable=True),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("definition_sha256", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("waiting_for", sa.String(), nullable=True),
        sa.Column("waiting_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("input", postgresql.JSONB(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_run")),
        sa.UniqueConstraint("workflow_id", name=op.f("uq_process_run_workflow_id")),
    )
    op.create_index("ix_process_run_business_id", "process_run", ["business", "id"], unique=False)
    op.create_index(
        "ix_process_run_open",
        "process_run",
        ["status", "started_at"],
        unique=False,
        postgresql_where=sa.text("status <> 'ended'"),
    )
    op.create_index(op.f("ix_process_run_subject"), "process_run", ["subject"], unique=False)
    op.create_table(
        "process_step",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=True),
        sa.Column("intent", postgresql.JSONB(), nullable=True),
        sa.Column("response", postgresql.JSONB(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("undo", postgresql.JSONB(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_process_step")),
        sa.UniqueConstraint(
            "run_id", "path", "iteration", "revision", name=op.f("uq_process_step_run_id_path_iteration_revision")
        ),
    )


def downgrade() -> None:
    op.drop_table("process_step")
    op.drop_index(op.f("ix_process_run_subject"), table_name="process_run")
    op.drop_index("ix_process_run_open", table_name="process_run", postgresql_where=sa.text("status <> 'ended'"))
    op.drop_index("ix_process_run_business_id", table_name="process_run")
    op.drop_table("process_run")
    op.drop_index(op.f("ix_process_repair_run_id"), table_name="process_repair")
    op.drop_table("process_repair")
    op.drop_table("process_definition")
