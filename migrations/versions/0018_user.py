"""Tiers, segments, consent, erasure; price lists and the history of prices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018_user"
down_revision = "0017_webhooks"
branch_labels = None
depends_on = None


KNOWN_TIER = "IN ('standard', 'silver', 'gold', 'vip')"
HISTORIES = ("buyer_consent", "offer_price", "price_change")
REFUSE = """
CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""
GUARD = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history()
"""
ERASABLE = {"buyer_tier_change": "reason", "refund_change": "reason", "order_act": "request,answer"}
"""Histories in which what people wrote about a buyer can be taken out, and nothing else, while the buyer is erased."""
REFUSE_BUT_ERASURE = """
CREATE FUNCTION refuse_change_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE written text[] := string_to_array(TG_ARGV[0], ',');
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('zhongtai.erasing', true) = 'on'
        AND to_jsonb(NEW) - written = to_jsonb(OLD) - written THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""
GUARD_BUT_ERASURE = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure('{columns}')
"""
MONEY_GUARD = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_money()
"""
KNOWN_PRICES = """
INSERT INTO offer_price (business, sku, currency, unit_price_minor, recorded_at)
SELECT business, sku, currency, unit_price_minor, now() FROM offer ORDER BY business, sku
"""
KNOWN_ORDERS = """
UPDATE buyer SET first_order_at = done.first_at, last_order_at = done.last_at, lifetime_value_minor = done.total_minor
FROM (
    SELECT o.business, o.buyer_id, min(o.confirmed_at) AS first_at, max(o.confirmed_at) AS last_at,
        coalesce(sum(o.total_minor) FILTER (WHERE o.currency = b.currency), 0) AS total_minor
    FROM sales_order o JOIN business b ON b.business = o.business
    WHERE o.buyer_id IS NOT NULL AND o.confirmed_at IS NOT NULL GROUP BY o.business, o.buyer_id
) AS done
WHERE buyer.business = done.business AND buyer.id = done.buyer_id
"""


def upgrade() -> None:
    op.create_table(
        "buyer_classifying",
        sa.Column("business", sa.String(), nullable=False),
        sa.Column("cursor", sa.String(), nullable=True),
        sa.Column("round_on", sa.String(), nullable=True),
        sa.Column("round_after", sa.String(), nullable=True),
        sa.Column("is_round_done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("business", name=op.f("pk_buyer_classifying")),
    )
    op.create_table(
        "buyer_consent",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("buyer_id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("is_given", sa.Boolean(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('marketing', 'analytics', 'profiling')", name=op.f("ck_buyer_consent_purpose_known")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_buyer_consent")),
        sa.UniqueConstraint("key", name=op.f("uq_buyer_consent_key")),
    )
    op.create_index(
        "ix_buyer_consent_buyer", "buyer_consent", ["business", "buyer_id", "purpose", "sequence"], unique=False
    )
    op.create_table(
        "buyer_tier_change",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("buyer_id", sa.String(), nullable=False),
        sa.Column("from_tier", sa.String(), nullable=True),
        sa.Column("to_tier", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("release_id", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_buyer_tier_change")),
    )
    op.create_index(
        "ix_buyer_tier_change_buyer", "buyer_tier_change", ["business", "buyer_id", "sequence"], unique=False
    )
    op.create_table(
        "offer_price",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_offer_price")),
    )
    op.create_index("ix_offer_price_sku", "offer_price", ["business", "sku", "sequence"], unique=False)
    op.create_table(
        "price_change",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("list_id", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("from_quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_price_change")),
    )
    op.create_index(
        "ix_price_change_sku", "price_change", ["business", "sku", "list_id", "from_quantity", "sequence"], unique=False
    )
    op.create_table(
        "price_entry",
        sa.Column("list_id", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("from_quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("floor_price_minor", sa.BigInteger(), nullable=True),
        sa.Column("was_price_minor", sa.BigInteger(), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "floor_price_minor BETWEEN 0 AND unit_price_minor", name=op.f("ck_price_entry_floor_below_price")
        ),
        sa.CheckConstraint("from_quantity >= 1", name=op.f("ck_price_entry_quantity_positive")),
        sa.CheckConstraint("unit_price_minor >= 0", name=op.f("ck_price_entry_price_not_negative")),
        sa.PrimaryKeyConstraint("list_id", "sku", "from_quantity", name=op.f("pk_price_entry")),
    )
    op.create_index("ix_price_entry_business_sku", "price_entry", ["business", "sku"], unique=False)
    op.create_table(
        "price_list",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("tier", sa.String(), nullable=True),
        sa.Column("segment", sa.String(), nullable=True),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("tier IS NULL OR segment IS NULL", name=op.f("ck_price_list_one_group")),
        sa.CheckConstraint("valid_from < valid_until", name=op.f("ck_price_list_valid_in_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_list")),
        sa.UniqueConstraint("business", "code", name=op.f("uq_price_list_business_code")),
    )
    op.create_table(
        "segment",
        sa.Column("business", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("condition", postgresql.JSONB(), nullable=True),
        sa.Column("needs_consent", sa.String(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("business", "code", name=op.f("pk_segment")),
    )
    op.create_table(
        "segment_member",
        sa.Column("business", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("buyer_id", sa.String(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("business", "code", "buyer_id", name=op.f("pk_segment_member")),
    )
    op.create_index("ix_segment_member_buyer", "segment_member", ["business", "buyer_id"], unique=False)
    op.add_column("business", sa.Column("price_lists", sa.String(), nullable=True))
    op.add_column("buyer", sa.Column("birthday", sa.Date(), nullable=True))
    op.add_column("buyer", sa.Column("tier_source", sa.String(), server_default=sa.text("'enrolment'"), nullable=False))
    op.add_column("buyer", sa.Column("tier_reason", sa.String(), nullable=True))
    op.add_column("buyer", sa.Column("tier_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("buyer", sa.Column("set_tier", sa.String(), nullable=True))
    op.add_column("buyer", sa.Column("set_tier_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("buyer", sa.Column("set_tier_reason", sa.String(), nullable=True))
    op.add_column(
        "buyer", sa.Column("lifetime_value_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("buyer", sa.Column("first_order_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("buyer", sa.Column("last_order_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("buyer", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("ck_buyer_status_known"), "buyer")
    op.create_check_constraint(op.f("ck_buyer_status_known"), "buyer", "status IN ('active', 'suspended', 'erased')")
    op.create_check_constraint(op.f("ck_buyer_set_tier_known"), "buyer", f"set_tier IS NULL OR set_tier {KNOWN_TIER}")
    op.create_check_constraint(
        op.f("ck_buyer_erased_has_time"), "buyer", "(status = 'erased') = (erased_at IS NOT NULL)"
    )
    op.create_check_constraint(
        op.f("ck_buyer_erased_is_empty"),
        "buyer",
        "status <> 'erased' OR (name = '' AND email IS NULL AND birthday IS NULL)",
    )
    op.execute(REFUSE)
    op.execute(REFUSE_BUT_ERASURE)
    for table in HISTORIES:
        op.execute(GUARD.format(table=table))
    for table, columns in ERASABLE.items():
        op.execute(f"DROP TRIGGER IF EXISTS {table}_is_append_only ON {table}")
        op.execute(GUARD_BUT_ERASURE.format(table=table, columns=columns))
    op.execute(KNOWN_PRICES)
    op.execute(KNOWN_ORDERS)


def downgrade() -> None:
    for name in ("erased_is_empty", "erased_has_time", "set_tier_known", "status_known"):
        op.drop_constraint(op.f(f"ck_buyer_{name}"), "buyer")
    op.execute("UPDATE buyer SET status = 'suspended' WHERE status = 'erased'")
    op.create_check_constraint(op.f("ck_buyer_status_known"), "buyer", "status IN ('active', 'suspended')")
    op.drop_column("buyer", "erased_at")
    op.drop_column("buyer", "last_order_at")
    op.drop_column("buyer", "first_order_at")
    op.drop_column("buyer", "lifetime_value_minor")
    op.drop_column("buyer", "set_tier_reason")
    op.drop_column("buyer", "set_tier_until")
    op.drop_column("buyer", "set_tier")
    op.drop_column("buyer", "tier_until")
    op.drop_column("buyer", "tier_reason")
    op.drop_column("buyer", "tier_source")
    op.drop_column("buyer", "birthday")
    op.drop_column("business", "price_lists")
    op.drop_index("ix_segment_member_buyer", table_name="segment_member")
    op.drop_table("segment_member")
    op.drop_table("segment")
    op.drop_table("price_list")
    op.drop_index("ix_price_entry_business_sku", table_name="price_entry")
    op.drop_table("price_entry")
    op.drop_index("ix_price_change_sku", table_name="price_change")
    op.drop_table("price_change")
    op.drop_index("ix_offer_price_sku", table_name="offer_price")
    op.drop_table("offer_price")
    op.drop_index("ix_buyer_tier_change_buyer", table_name="buyer_tier_change")
    op.drop_table("buyer_tier_change")
    op.drop_index("ix_buyer_consent_buyer", table_name="buyer_consent")
    op.drop_table("buyer_consent")
    op.drop_table("buyer_classifying")
    op.execute("DROP FUNCTION refuse_change_of_history")
    for table in ("refund_change", "order_act"):
        op.execute(f"DROP TRIGGER {table}_is_append_only ON {table}")
        op.execute(MONEY_GUARD.format(table=table))
    op.execute("DROP FUNCTION refuse_change_but_erasure")
