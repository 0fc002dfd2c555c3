"""Tables of transaction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_transaction"
down_revision = "0002_user"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "offer",
        sa.Column("business", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("description_en", sa.String(), nullable=False),
        sa.Column("description_zh", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("brand", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("list_price_minor", sa.BigInteger(), nullable=True),
        sa.Column("floor_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate_bps", sa.Integer(), nullable=False),
        sa.Column("weight_g", sa.BigInteger(), nullable=False),
        sa.Column("has_stock", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('goods', 'delivery')", name=op.f("ck_offer_kind_known")),
        sa.CheckConstraint("floor_price_minor <= unit_price_minor", name=op.f("ck_offer_floor_below_price")),
        sa.CheckConstraint("tax_rate_bps >= 0 AND weight_g >= 0", name=op.f("ck_offer_rate_not_negative")),
        sa.CheckConstraint(
            "unit_price_minor >= 0 AND floor_price_minor >= 0", name=op.f("ck_offer_price_not_negative")
        ),
        sa.PrimaryKeyConstraint("business", "sku", name=op.f("pk_offer")),
    )
    op.create_index(
        "ix_offer_business_kind_category_sku", "offer", ["business", "kind", "category", "sku"], unique=False
    )
    op.create_table(
        "reservation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "status IN ('held', 'secured', 'committed', 'released', 'expired')",
            name=op.f("ck_reservation_status_known"),
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_reservation_quantity_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("order_id", "sku", name=op.f("uq_reservation_order_id_sku")),
    )
    op.create_index(
        "ix_reservation_open_of_sku",
        "reservation",
        ["business", "sku"],
        unique=False,
        postgresql_where=sa.text("status IN ('held', 'secured')"),
    )
    op.create_index(
        "ix_reservation_overdue",
        "reservation",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'held'"),
    )
    op.create_table(
        "sales_order",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("scenario", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("buyer_id", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("status_reason", sa.String(), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("goods_gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("delivery_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("piece_count", sa.BigInteger(), nullable=False),
        sa.Column("quote_id", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "(status = 'confirmed') = (confirmed_at IS NOT NULL)", name=op.f("ck_sales_order_confirmed_has_time")
        ),
        sa.CheckConstraint(
            "status IN ('placed', 'on_hold', 'confirmed', 'refused', 'cancelled', 'expired')",
            name=op.f("ck_sales_order_status_known"),
        ),
        sa.CheckConstraint(
            "goods_gross_minor + delivery_minor - discount_minor + CASE WHEN prices_include_tax THEN 0 ELSE tax_minor END = total_minor",
            name=op.f("ck_sales_order_total_adds_up"),
        ),
        sa.CheckConstraint(
            "goods_gross_minor >= 0 AND delivery_minor >= 0 AND discount_minor >= 0 AND tax_minor >= 0 AND total_minor >= 0",
            name=op.f("ck_sales_order_amounts_not_negative"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sales_order")),
        sa.UniqueConstraint("business", "number", name=op.f("uq_sales_order_business_number")),
    )
    op.create_index(
        "ix_sales_order_business_buyer_placed",
        "sales_order",
        ["business", "buyer_id", sa.literal_column("placed_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_sales_order_business_placed",
        "sales_order",
        ["business", sa.literal_column("placed_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_sales_order_business_status_placed",
        "sales_order",
        ["business", "status", sa.literal_column("placed_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(op.f("ix_sales_order_run_id"), "sales_order", ["run_id"], unique=False)
    op.create_table(
        "sales_order_change",
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("from_status", sa.String(), nullable=True),
        sa.Column("to_status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_sales_order_change")),
    )
    op.create_index(
        "ix_sales_order_change_order_id_sequence", "sales_order_change", ["order_id", "sequence"], unique=False
    )
    op.create_table(
        "sales_order_line",
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate_bps", sa.Integer(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("gross_minor - discount_minor = net_minor", name=op.f("ck_sales_order_line_net_adds_up")),
        sa.CheckConstraint(
            "gross_minor >= 0 AND discount_minor >= 0 AND net_minor >= 0 AND tax_minor >= 0",
            name=op.f("ck_sales_order_line_amounts_not_negative"),
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_sales_order_line_quantity_positive")),
        sa.CheckConstraint(
            "total_minor IN (net_minor, net_minor + tax_minor)", name=op.f("ck_sales_order_line_total_adds_up")
        ),
        sa.PrimaryKeyConstraint("order_id", "line_id", name=op.f("pk_sales_order_line")),
    )
    op.create_index(
        "ix_sales_order_line_business_sku", "sales_order_line", ["business", "sku", "order_id"], unique=False
    )
    op.create_table(
        "seller",
        sa.Column("business", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("name_zh", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("business", "id", name=op.f("pk_seller")),
    )
    op.create_table(
        "stock",
        sa.Column("business", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("on_hand >= reserved", name=op.f("ck_stock_available_not_negative")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_stock_reserved_not_negative")),
        sa.PrimaryKeyConstraint("business", "sku", name=op.f("pk_stock")),
    )


def downgrade() -> None:
    op.drop_table("stock")
    op.drop_table("seller")
    op.drop_index("ix_sales_order_line_business_sku", table_name="sales_order_line")
    op.drop_table("sales_order_line")
    op.drop_index("ix_sales_order_change_order_id_sequence", table_name="sales_order_change")
    op.drop_table("sales_order_change")
    op.drop_index(op.f("ix_sales_order_run_id"), table_name="sales_order")
    op.drop_index("ix_sales_order_business_status_placed", table_name="sales_order")
    op.drop_index("ix_sales_order_business_placed", table_name="sales_order")
    op.drop_index("ix_sales_order_business_buyer_placed", table_name="sales_order")
    op.drop_table("sales_order")
    op.drop_index("ix_reservation_overdue", table_name="reservation", postgresql_where=sa.text("status = 'held'"))
    op.drop_index(
        "ix_reservation_open_of_sku",
        table_name="reservation",
        postgresql_where=sa.text("status IN ('held', 'secured')"),
    )
    op.drop_table("reservation")
    op.drop_index("ix_offer_business_kind_category_sku", table_name="offer")
    op.drop_table("offer")
