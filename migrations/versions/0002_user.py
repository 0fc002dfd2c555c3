"""Tables of user."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_user"
down_revision = "0001_kernel"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "buyer",
        sa.Column("business", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("segments", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("status_reason", sa.String(), nullable=True),
        sa.Column("order_count", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("ck_buyer_status_known")),
        sa.CheckConstraint("tier IN ('standard', 'silver', 'gold', 'vip')", name=op.f("ck_buyer_tier_known")),
        sa.CheckConstraint("order_count >= 0", name=op.f("ck_buyer_order_count_not_negative")),
        sa.PrimaryKeyConstraint("business", "id", name=op.f("pk_buyer")),
    )
    op.create_index("ix_buyer_business_tier", "buyer", ["business", "tier"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_buyer_business_tier", table_name="buyer")
    op.drop_table("buyer")
