"""Statements and limits of the ledger."""

from __future__ import annotations

revision = "0015_account"
down_revision = "0014_payment"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
