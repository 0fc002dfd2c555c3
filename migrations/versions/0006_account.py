"""Tables of account."""

from __future__ import annotations

revision = "0006_account"
down_revision = "0005_payment"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
