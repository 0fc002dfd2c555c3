"""Several sources of a payment, provider events and statements."""

from __future__ import annotations

revision = "0014_payment"
down_revision = "0013_transaction"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
