"""Tables of marketing."""

from __future__ import annotations

revision = "0004_marketing"
down_revision = "0003_transaction"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
