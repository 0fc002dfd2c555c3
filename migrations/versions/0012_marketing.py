"""Price lists, limits, budgets, campaigns and coupon lots."""

from __future__ import annotations

revision = "0012_marketing"
down_revision = "0011_api_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
