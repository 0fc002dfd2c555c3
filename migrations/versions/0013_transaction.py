"""Fulfilment, returns, refunds, seller orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013_transaction"
down_revision = "0012_marketing"
branch_labels = None
depends_on = None

GUARD = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_money()
"""
APPEND_ONLY = ("fulfilment_line", "refund_line", "refund_change", "order_act")

NEW_CHECKS = {
    "sales_order": {
        "total_adds_up": "goods_gross_minor + delivery_minor + fee_minor - discount_minor"
        " + CASE WHEN prices_include_tax THEN 0 ELSE tax_minor END = total_minor",
        "amounts_not_negative": "goods_gross_minor >= 0 AND delivery_minor >= 0 AND fee_minor >= 0 AND discount_minor >= 0"
        " AND tax_minor >= 0 AND total_minor >= 0",
        "status_known": "status IN ('draft', 'placed', 'on_hold', 'confirmed', 'fulfilled', 'completed', 'refused',"
        " 'cancelled', 'expired')",
        "confirmed_has_time": "CASE WHEN status IN ('confirmed', 'fulfilled', 'completed') THEN confirmed_at IS NOT NULL"
        " ELSE status = 'cancelled' OR confirmed_at IS NULL END",
        "relation_has_parent": "(relation IS NULL) = (parent_id IS NULL)",
    },
    "sales_order_line": {
        "units_within": "fulfilled >= 0 AND cancelled >= 0 AND fulfilled + cancelled <= quantity",
        "returned_within": "returned >= 0 AND returned <= fulfilled",
        "refunded_within": "refunded >= 0 AND refunded <= quantity",
        "restocked_within": "restocked >= 0 AND restocked <= cancelled + returned",
    },
}
OLD_CHECKS = {
    "total_adds_up": "goods_gross_minor + delivery_minor - discount_minor"
    " + CASE WHEN prices_include_tax THEN 0 ELSE tax_minor END = total_minor",
    "amounts_not_negative": "goods_gross_minor >= 0 AND delivery_minor >= 0 AND discount_minor >= 0"
    " AND tax_minor >= 0 AND total_minor >= 0",
    "status_known": "status IN ('placed', 'on_hold', 'confirmed', 'refused', 'cancelled', 'expired')",
    "confirmed_has_time": "(status = 'confirmed') = (confirmed_at IS NOT NULL)",
}


def upgrade() -> None:
    op.create_table(
        "fulfilment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("carrier", sa.String(), nullable=True),
        sa.Column("tracking", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("fulfilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfilment")),
        sa.UniqueConstraint("order_id", "key", name=op.f("uq_fulfilment_order_id_key")),
    )
    op.create_table(
        "fulfilment_line",
        sa.Column("fulfilment_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_fulfilment_line_units_positive")),
        sa.PrimaryKeyConstraint("fulfilment_id", "line_id", name=op.f("pk_fulfilment_line")),
    )
    op.create_table(
        "goods_return",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status_reason", sa.String(), nullable=True),
        sa.Column("refund_id", sa.String(), nullable=True),
        sa.Column("exchange_order_id", sa.String(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "status IN ('requested', 'received', 'closed', 'refused')", name=op.f("ck_goods_return_status_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_return")),
        sa.UniqueConstraint("business", "number", name=op.f("uq_goods_return_business_number")),
    )
    op.create_index(
        "ix_goods_return_business_requested",
        "goods_return",
        ["business", sa.literal_column("requested_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("ix_goods_return_order_id", "goods_return", ["order_id"], unique=False)
    op.create_table(
        "goods_return_line",
        sa.Column("return_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("restocked", sa.BigInteger(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "restocked >= 0 AND restocked <= received", name=op.f("ck_goods_return_line_restocked_within")
        ),
        sa.CheckConstraint(
            "units > 0 AND received >= 0 AND received <= units", name=op.f("ck_goods_return_line_received_within")
        ),
        sa.PrimaryKeyConstraint("return_id", "line_id", name=op.f("pk_goods_return_line")),
    )
    op.create_table(
        "order_act",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_act")),
        sa.UniqueConstraint("order_id", "kind", "key", name=op.f("uq_order_act_order_id_kind_key")),
    )
    op.create_table(
        "refund",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("status_reason", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("after_return", sa.String(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("unpaid_minor", sa.BigInteger(), nullable=False),
        sa.Column("due_minor", sa.BigInteger(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("delivery", sa.Boolean(), nullable=False),
        sa.Column("fees", sa.Boolean(), nullable=False),
        sa.Column("return_id", sa.String(), nullable=True),
        sa.Column("request_sha256", sa.String(), nullable=False),
        sa.Column("sources", postgresql.JSONB(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "kind IN ('return', 'cancellation', 'goodwill', 'chargeback')", name=op.f("ck_refund_kind_known")
        ),
        sa.CheckConstraint(
            "status IN ('requested', 'approved', 'processing', 'succeeded', 'refused', 'failed', 'reversed')",
            name=op.f("ck_refund_status_known"),
        ),
        sa.CheckConstraint("due_minor + fee_minor + unpaid_minor = total_minor", name=op.f("ck_refund_due_adds_up")),
        sa.CheckConstraint(
            "total_minor >= 0 AND due_minor >= 0 AND fee_minor >= 0 AND unpaid_minor >= 0",
            name=op.f("ck_refund_positive"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint("business", "number", name=op.f("uq_refund_business_number")),
    )
    op.create_index(
        "ix_refund_business_requested",
        "refund",
        ["business", sa.literal_column("requested_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("ix_refund_business_status", "refund", ["business", "status"], unique=False)
    op.create_index("ix_refund_order_id", "refund", ["order_id"], unique=False)
    op.create_table(
        "refund_change",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("refund_id", sa.String(), nullable=False),
        sa.Column("from_status", sa.String(), nullable=True),
        sa.Column("to_status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_refund_change")),
    )
    op.create_index("ix_refund_change_refund_id_sequence", "refund_change", ["refund_id", "sequence"], unique=False)
    op.create_table(
        "refund_line",
        sa.Column("refund_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("tax_rate_bps", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("units_before", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_units", sa.BigInteger(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("kept_net_minor", sa.BigInteger(), nullable=False),
        sa.Column("kept_tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("adjustments", postgresql.JSONB(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "cancelled_units >= 0 AND cancelled_units <= units", name=op.f("ck_refund_line_cancelled_within")
        ),
        sa.CheckConstraint("gross_minor - discount_minor = net_minor", name=op.f("ck_refund_line_net_adds_up")),
        sa.CheckConstraint(
            "kept_net_minor >= 0 AND kept_tax_minor >= 0", name=op.f("ck_refund_line_kept_not_negative")
        ),
        sa.CheckConstraint(
            "total_minor IN (net_minor, net_minor + tax_minor)", name=op.f("ck_refund_line_total_adds_up")
        ),
        sa.CheckConstraint(
            "units >= 0 AND units_before >= 0 AND units_before + units <= quantity",
            name=op.f("ck_refund_line_units_within"),
        ),
        sa.PrimaryKeyConstraint("refund_id", "line_id", name=op.f("pk_refund_line")),
    )
    op.create_index(op.f("ix_refund_line_order_id"), "refund_line", ["order_id"], unique=False)
    op.create_table(
        "seller_order",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("goods_gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("delivery_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("sources", postgresql.JSONB(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "goods_gross_minor >= 0 AND discount_minor >= 0 AND delivery_minor >= 0 AND fee_minor >= 0 AND tax_minor >= 0 AND total_minor >= 0",
            name=op.f("ck_seller_order_amounts_not_negative"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seller_order")),
        sa.UniqueConstraint("order_id", "seller_id", name=op.f("uq_seller_order_order_id_seller_id")),
    )
    op.create_index(
        "ix_seller_order_business_seller", "seller_order", ["business", "seller_id", "order_id"], unique=False
    )
    op.add_column("sales_order", sa.Column("fee_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("sales_order", sa.Column("parent_id", sa.String(), nullable=True))
    op.add_column("sales_order", sa.Column("relation", sa.String(), nullable=True))
    op.add_column(
        "sales_order", sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("sales_order", sa.Column("draft", postgresql.JSONB(), nullable=True))
    op.add_column("sales_order", sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_sales_order_parent_id",
        "sales_order",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.add_column(
        "sales_order_line", sa.Column("is_gift", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("sales_order_line", sa.Column("fulfilled", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("sales_order_line", sa.Column("cancelled", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("sales_order_line", sa.Column("returned", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("sales_order_line", sa.Column("refunded", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("sales_order_line", sa.Column("restocked", sa.BigInteger(), server_default="0", nullable=False))
    for name in OLD_CHECKS:
        op.drop_constraint(op.f(f"ck_sales_order_{name}"), "sales_order", type_="check")
    for table, checks in NEW_CHECKS.items():
        for name, condition in checks.items():
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    for table in APPEND_ONLY:
        op.execute(GUARD.format(table=table))


def downgrade() -> None:
    for table, checks in NEW_CHECKS.items():
        for name in checks:
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    for name, condition in OLD_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_sales_order_{name}"), "sales_order", condition)
    op.drop_column("sales_order_line", "restocked")
    op.drop_column("sales_order_line", "refunded")
    op.drop_column("sales_order_line", "returned")
    op.drop_column("sales_order_line", "cancelled")
    op.drop_column("sales_order_line", "fulfilled")
    op.drop_column("sales_order_line", "is_gift")
    op.drop_index(
        "ix_sales_order_parent_id", table_name="sales_order", postgresql_where=sa.text("parent_id IS NOT NULL")
    )
    op.drop_column("sales_order", "completed_at")
    op.drop_column("sales_order", "draft")
    op.drop_column("sales_order", "attributes")
    op.drop_column("sales_order", "relation")
    op.drop_column("sales_order", "parent_id")
    op.drop_column("sales_order", "fee_minor")
    op.drop_index("ix_seller_order_business_seller", table_name="seller_order")
    op.drop_table("seller_order")
    op.drop_index(op.f("ix_refund_line_order_id"), table_name="refund_line")
    op.drop_table("refund_line")
    op.drop_index("ix_refund_change_refund_id_sequence", table_name="refund_change")
    op.drop_table("refund_change")
    op.drop_index("ix_refund_order_id", table_name="refund")
    op.drop_index("ix_refund_business_status", table_name="refund")
    op.drop_index("ix_refund_business_requested", table_name="refund")
    op.drop_table("refund")
    op.drop_table("order_act")
    op.drop_table("goods_return_line")
    op.drop_index("ix_goods_return_order_id", table_name="goods_return")
    op.drop_index("ix_goods_return_business_requested", table_name="goods_return")
    op.drop_table("goods_return")
    op.drop_table("fulfilment_line")
    op.drop_table("fulfilment")
