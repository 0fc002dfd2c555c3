"""Price lists, limits, budgets, campaigns and coupon lots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012_marketing"
down_revision = "0011_api_keys"
branch_labels = None
depends_on = None


APPEND_ONLY = ("campaign_budget_change", "limit_return")
GUARD = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_money()
"""
CLAIM_STATUS = "ck_coupon_claim_status"
STATUSES = "'held', 'secured', 'redeemed', 'released', 'expired'"


def upgrade() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("state IN ('draft', 'started', 'paused', 'ended')", name=op.f("ck_campaign_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("business", "name", name=op.f("uq_campaign_business_name")),
    )
    op.create_index("ix_campaign_business_created_at", "campaign", ["business", "created_at", "id"], unique=False)
    op.create_table(
        "campaign_budget",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.String(), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.Column("per", postgresql.JSONB(), nullable=False),
        sa.Column("period", sa.String(), nullable=True),
        sa.Column("zone", sa.String(), nullable=True),
        sa.Column("is_partial", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("counts IN ('uses', 'spend')", name=op.f("ck_campaign_budget_counts")),
        sa.CheckConstraint("period IN ('day', 'week', 'month', 'year')", name=op.f("ck_campaign_budget_period")),
        sa.CheckConstraint("most >= 0", name=op.f("ck_campaign_budget_most")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_budget")),
    )
    op.create_index("ix_campaign_budget_campaign_id", "campaign_budget", ["campaign_id"], unique=False)
    op.create_table(
        "campaign_budget_change",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("budget_id", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("most_after", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_budget_change")),
    )
    op.create_index(
        "ix_campaign_budget_change_budget_id", "campaign_budget_change", ["budget_id", "created_at"], unique=False
    )
    op.create_table(
        "coupon_lot",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("plan", postgresql.JSONB(), nullable=False),
        sa.Column("opens", sa.String(), nullable=False),
        sa.Column("pattern", sa.String(), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("status IN ('making', 'ready', 'void')", name=op.f("ck_coupon_lot_status")),
        sa.CheckConstraint("made >= 0 AND made <= wanted", name=op.f("ck_coupon_lot_made")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_lot")),
        sa.UniqueConstraint("business", "name", name=op.f("uq_coupon_lot_business_name")),
    )
    op.create_index("ix_coupon_lot_business_created_at", "coupon_lot", ["business", "created_at", "id"], unique=False)
    op.create_table(
        "limit_claim",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("counter_id", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("counts", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("quote_id", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("returned", sa.BigInteger(), nullable=False),
        sa.Column("parts", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "status IN ('held', 'secured', 'redeemed', 'released', 'expired')", name=op.f("ck_limit_claim_status")
        ),
        sa.CheckConstraint("returned >= 0 AND returned <= amount", name=op.f("ck_limit_claim_returned")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limit_claim")),
        sa.UniqueConstraint("order_id", "counter_id", name=op.f("uq_limit_claim_order_id_counter_id")),
    )
    op.create_index("ix_limit_claim_counter_id", "limit_claim", ["counter_id", "slot"], unique=False)
    op.create_index(
        "ix_limit_claim_held", "limit_claim", ["expires_at"], unique=False, postgresql_where=sa.text("status = 'held'")
    )
    op.create_table(
        "limit_counter",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("budget_id", sa.String(), nullable=True),
        sa.Column("counts", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("NOT is_over OR used = most", name=op.f("ck_limit_counter_over")),
        sa.CheckConstraint("used >= 0 AND used <= most", name=op.f("ck_limit_counter_used")),
        sa.PrimaryKeyConstraint("id", "slot", name=op.f("pk_limit_counter")),
    )
    op.create_index(
        "ix_limit_counter_budget_id",
        "limit_counter",
        ["budget_id"],
        unique=False,
        postgresql_where=sa.text("budget_id IS NOT NULL"),
    )
    op.create_index("ix_limit_counter_owner", "limit_counter", ["business", "owner"], unique=False)
    op.create_table(
        "limit_return",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("refund_id", sa.String(), nullable=False),
        sa.Column("claim_id", sa.String(), nullable=False),
        sa.Column("counter_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limit_return")),
        sa.UniqueConstraint("refund_id", "claim_id", name=op.f("uq_limit_return_refund_id_claim_id")),
    )
    op.create_index("ix_limit_return_claim_id", "limit_return", ["claim_id", "created_at"], unique=False)
    op.create_table(
        "order_reward",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("buyer_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("taken_back", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("kind IN ('points', 'cashback', 'coupon')", name=op.f("ck_order_reward_kind")),
        sa.CheckConstraint("taken_back >= 0 AND taken_back <= amount", name=op.f("ck_order_reward_taken_back")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_reward")),
        sa.UniqueConstraint(
            "order_id", "kind", "rule_id", "number", name=op.f("uq_order_reward_order_id_kind_rule_id_number")
        ),
    )
    op.add_column("coupon", sa.Column("opens", sa.String(), nullable=True))
    op.add_column("coupon", sa.Column("lot_id", sa.String(), nullable=True))
    op.add_column("coupon", sa.Column("buyer_id", sa.String(), nullable=True))
    op.add_column("coupon", sa.Column("reason", sa.String(), nullable=True))
    op.add_column("coupon", sa.Column("after_refund", sa.String(), server_default="keep", nullable=False))
    op.add_column("coupon", sa.Column("after_refund_days", sa.BigInteger(), nullable=True))
    op.create_index("ix_coupon_business_created_at", "coupon", ["business", "created_at", "id"], unique=False)
    op.create_index(
        "ix_coupon_lot_id", "coupon", ["lot_id"], unique=False, postgresql_where=sa.text("lot_id IS NOT NULL")
    )
    op.add_column(
        "quote", sa.Column("circumstances", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_coupon_after_refund"), "coupon", "after_refund IN ('keep', 'restore', 'restore_within')"
    )
    op.drop_constraint(op.f(CLAIM_STATUS), "coupon_claim")
    op.create_check_constraint(op.f(CLAIM_STATUS), "coupon_claim", f"status IN ({STATUSES}, 'restored')")
    for table in APPEND_ONLY:
        op.execute(GUARD.format(table=table))


def downgrade() -> None:
    op.drop_constraint(op.f(CLAIM_STATUS), "coupon_claim")
    op.execute("UPDATE coupon_claim SET status = 'released' WHERE status = 'restored'")
    op.create_check_constraint(op.f(CLAIM_STATUS), "coupon_claim", f"status IN ({STATUSES})")
    op.drop_constraint(op.f("ck_coupon_after_refund"), "coupon")
    op.drop_column("quote", "circumstances")
    op.drop_index("ix_coupon_lot_id", table_name="coupon", postgresql_where=sa.text("lot_id IS NOT NULL"))
    op.drop_index("ix_coupon_business_created_at", table_name="coupon")
    op.drop_column("coupon", "after_refund_days")
    op.drop_column("coupon", "after_refund")
    op.drop_column("coupon", "reason")
    op.drop_column("coupon", "buyer_id")
    op.drop_column("coupon", "lot_id")
    op.drop_column("coupon", "opens")
    op.drop_table("order_reward")
    op.drop_index("ix_limit_return_claim_id", table_name="limit_return")
    op.drop_table("limit_return")
    op.drop_index("ix_limit_counter_owner", table_name="limit_counter")
    op.drop_index(
        "ix_limit_counter_budget_id", table_name="limit_counter", postgresql_where=sa.text("budget_id IS NOT NULL")
    )
    op.drop_table("limit_counter")
    op.drop_index("ix_limit_claim_held", table_name="limit_claim", postgresql_where=sa.text("status = 'held'"))
    op.drop_index("ix_limit_claim_counter_id", table_name="limit_claim")
    op.drop_table("limit_claim")
    op.drop_index("ix_coupon_lot_business_created_at", table_name="coupon_lot")
    op.drop_table("coupon_lot")
    op.drop_index("ix_campaign_budget_change_budget_id", table_name="campaign_budget_change")
    op.drop_table("campaign_budget_change")
    op.drop_index("ix_campaign_budget_campaign_id", table_name="campaign_budget")
    op.drop_table("campaign_budget")
    op.drop_index("ix_campaign_business_created_at", table_name="campaign")
    op.drop_table("campaign")
