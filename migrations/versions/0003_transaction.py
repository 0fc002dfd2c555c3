"""Tables of transaction."""

from __future__ import annotations

revision = "0003_transaction"
down_revision = "0002_user"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
