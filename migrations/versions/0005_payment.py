"""Tables of payment."""

from __future__ import annotations

revision = "0005_payment"
down_revision = "0004_marketing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
