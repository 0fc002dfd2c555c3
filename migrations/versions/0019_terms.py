"""Payment terms: what is due later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019_terms"
down_revision = "0018_user"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_due",
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("buyer_id", sa.String(), nullable=True),
        sa.Column("when", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("planned_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claim", sa.String(), nullable=True),
        sa.Column("payment_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("(status = 'collecting') <= (claim IS NOT NULL)", name=op.f("ck_payment_due_claimed")),
        sa.CheckConstraint(
            "status IN ('open', 'collecting', 'paid', 'cancelled', 'written_off')",
            name=op.f("ck_payment_due_status_known"),
        ),
        sa.CheckConstraint("\"when\" IN ('now', 'at', 'on_delivery')", name=op.f("ck_payment_due_when_known")),
        sa.CheckConstraint("(\"when\" = 'at') = (due_at IS NOT NULL)", name=op.f("ck_payment_due_day_known")),
        sa.CheckConstraint(
            "amount_minor >= 0 AND amount_minor <= planned_minor", name=op.f("ck_payment_due_amount_within_plan")
        ),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_payment_due")),
    )
    op.create_index(
        "ix_payment_due_next",
        "payment_due",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("status = 'open' AND next_try_at IS NOT NULL"),
    )
    op.create_index(
        "ix_payment_due_owed",
        "payment_due",
        ["business", "buyer_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('open', 'collecting')"),
    )
    op.create_index("ix_payment_due_page", "payment_due", ["business", "due_at", "order_id", "position"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_payment_due_page", table_name="payment_due")
    op.drop_index(
        "ix_payment_due_owed", table_name="payment_due", postgresql_where=sa.text("status IN ('open', 'collecting')")
    )
    op.drop_index(
        "ix_payment_due_next",
        table_name="payment_due",
        postgresql_where=sa.text("status = 'open' AND next_try_at IS NOT NULL"),
    )
    op.drop_table("payment_due")
