"""Seller transfers, payouts, disputes, reconciliation."""

from __future__ import annotations

revision = "0016_settlement"
down_revision = "0015_account"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
