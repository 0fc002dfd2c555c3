"""Tables of settlement."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_settlement"
down_revision = "0006_account"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "commission_line",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("rate_bps", sa.BigInteger(), nullable=False),
        sa.Column("per_unit_minor", sa.BigInteger(), nullable=False),
        sa.Column("lowest_minor", sa.BigInteger(), nullable=False),
        sa.Column("highest_minor", sa.BigInteger(), nullable=True),
        sa.Column("tax_rate_bps", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("commission_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("bounded_by", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "commission_minor + tax_minor <= base_minor", name=op.f("ck_commission_line_fee_within_base")
        ),
        sa.CheckConstraint(
            "commission_minor >= 0 AND tax_minor >= 0", name=op.f("ck_commission_line_fee_not_negative")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commission_line")),
        sa.UniqueConstraint("order_id", "line_id", name=op.f("uq_commission_line_order_id_line_id")),
    )
    op.create_index(op.f("ix_commission_line_seller_id"), "commission_line", ["seller_id"], unique=False)
    op.create_table(
        "commission_rate",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=True),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("rate_bps", sa.BigInteger(), nullable=False),
        sa.Column("per_unit_minor", sa.BigInteger(), nullable=False),
        sa.Column("lowest_minor", sa.BigInteger(), nullable=False),
        sa.Column("highest_minor", sa.BigInteger(), nullable=True),
        sa.Column("tax_rate_bps", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "highest_minor IS NULL OR highest_minor >= lowest_minor", name=op.f("ck_commission_rate_bounds_in_order")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commission_rate")),
        sa.UniqueConstraint(
            "business",
            "seller_id",
            "category",
            name=op.f("uq_commission_rate_business_seller_id_category"),
            postgresql_nulls_not_distinct=True,
        ),
    )


def downgrade() -> None:
    op.drop_table("commission_rate")
    op.drop_index(op.f("ix_commission_line_seller_id"), table_name="commission_line")
    op.drop_table("commission_line")
