"""Fulfilment, returns, refunds, seller orders."""

from __future__ import annotations

revision = "0013_transaction"
down_revision = "0012_marketing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
