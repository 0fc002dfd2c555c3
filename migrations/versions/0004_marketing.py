"""Tables of marketing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_marketing"
down_revision = "0003_transaction"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "coupon",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("code_key", sa.String(), nullable=False),
        sa.Column("use_limit", sa.BigInteger(), nullable=True),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("use_limit IS NULL OR used <= use_limit", name=op.f("ck_coupon_use_limit")),
        sa.CheckConstraint("used >= 0", name=op.f("ck_coupon_used")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon")),
        sa.UniqueConstraint("business", "code_key", name=op.f("uq_coupon_business_code_key")),
    )
    op.create_table(
        "coupon_claim",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("coupon_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("quote_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "status IN ('held', 'secured', 'redeemed', 'released', 'expired')", name=op.f("ck_coupon_claim_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_claim")),
        sa.UniqueConstraint("order_id", "coupon_id", name=op.f("uq_coupon_claim_order_id_coupon_id")),
    )
    op.create_index("ix_coupon_claim_coupon_id_status", "coupon_claim", ["coupon_id", "status"], unique=False)
    op.create_index(
        "ix_coupon_claim_held",
        "coupon_claim",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'held'"),
    )
    op.create_table(
        "quote",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("buyer_id", sa.String(), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("cart", postgresql.JSONB(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("release_ids", postgresql.JSONB(), nullable=False),
        sa.Column("algorithm", sa.String(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quote")),
    )
    op.create_index("ix_quote_business_created_at", "quote", ["business", "created_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_quote_business_created_at", table_name="quote")
    op.drop_table("quote")
    op.drop_index("ix_coupon_claim_held", table_name="coupon_claim", postgresql_where=sa.text("status = 'held'"))
    op.drop_index("ix_coupon_claim_coupon_id_status", table_name="coupon_claim")
    op.drop_table("coupon_claim")
    op.drop_table("coupon")
