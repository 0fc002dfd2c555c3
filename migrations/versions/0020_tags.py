"""What rules write on an order, and what they may ask of an item."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020_tags"
down_revision = "0019_terms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sales_order", sa.Column("tags", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.create_index(
        "ix_sales_order_tags",
        "sales_order",
        ["tags"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("tags <> '[]'::jsonb"),
    )
    op.add_column("offer", sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    op.drop_column("offer", "attributes")
    op.drop_index("ix_sales_order_tags", table_name="sales_order")
    op.drop_column("sales_order", "tags")
