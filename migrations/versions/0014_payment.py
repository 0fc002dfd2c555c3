"""Several sources of a payment, provider events and statements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014_payment"
down_revision = "0013_transaction"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_refund_share",
        sa.Column("refund_id", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_refund_share_amount_positive")),
        sa.PrimaryKeyConstraint("refund_id", "payment_id", "attempt", name=op.f("pk_payment_refund_share")),
        sa.UniqueConstraint("reference", name=op.f("uq_payment_refund_share_reference")),
    )
    op.create_index(op.f("ix_payment_refund_share_order_id"), "payment_refund_share", ["order_id"], unique=False)
    op.create_table(
        "provider_event",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=True),
        sa.Column("payment_ref", sa.String(), nullable=True),
        sa.Column("effect", postgresql.JSONB(), nullable=True),
        sa.Column("body_sha256", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("deliveries", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "(status = 'applied') = (applied_at IS NOT NULL)", name=op.f("ck_provider_event_applied_says_when")
        ),
        sa.CheckConstraint("status IN ('waiting', 'applied', 'ignored')", name=op.f("ck_provider_event_status_known")),
        sa.CheckConstraint("deliveries > 0", name=op.f("ck_provider_event_deliveries_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_event")),
        sa.UniqueConstraint("provider", "message_id", name=op.f("uq_provider_event_provider_message_id")),
    )
    op.create_index("ix_provider_event_page", "provider_event", ["business", "received_at", "id"], unique=False)
    op.create_index(op.f("ix_provider_event_payment_id"), "provider_event", ["payment_id"], unique=False)
    op.create_index(
        "ix_provider_event_waiting",
        "provider_event",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_table(
        "simulated_message",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("copies_left", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_simulated_message")),
    )
    op.create_index(
        "ix_simulated_message_due",
        "simulated_message",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("copies_left > 0"),
    )
    op.add_column("payment", sa.Column("position", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payment", sa.Column("reference", sa.String(), nullable=True))
    op.add_column("payment", sa.Column("routed_by", sa.String(), nullable=True))
    op.drop_constraint(op.f("uq_payment_order_id"), "payment", type_="unique")
    op.create_index("ix_payment_page", "payment", ["business", "created_at", "id"], unique=False)
    op.create_unique_constraint(op.f("uq_payment_order_id_position"), "payment", ["order_id", "position"])
    op.create_index(
        "ix_payment_event_provider_id",
        "payment_event",
        ["provider_id"],
        unique=False,
        postgresql_where=sa.text("provider_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_payment_event_provider_id", table_name="payment_event", postgresql_where=sa.text("provider_id IS NOT NULL")
    )
    op.drop_constraint(op.f("uq_payment_order_id_position"), "payment", type_="unique")
    op.drop_index("ix_payment_page", table_name="payment")
    op.create_unique_constraint(
        op.f("uq_payment_order_id"), "payment", ["order_id"], postgresql_nulls_not_distinct=False
    )
    op.drop_column("payment", "routed_by")
    op.drop_column("payment", "reference")
    op.drop_column("payment", "position")
    op.drop_index(
        "ix_simulated_message_due", table_name="simulated_message", postgresql_where=sa.text("copies_left > 0")
    )
    op.drop_table("simulated_message")
    op.drop_index(
        "ix_provider_event_waiting", table_name="provider_event", postgresql_where=sa.text("status = 'waiting'")
    )
    op.drop_index(op.f("ix_provider_event_payment_id"), table_name="provider_event")
    op.drop_index("ix_provider_event_page", table_name="provider_event")
    op.drop_table("provider_event")
    op.drop_index(op.f("ix_payment_refund_share_order_id"), table_name="payment_refund_share")
    op.drop_table("payment_refund_share")
