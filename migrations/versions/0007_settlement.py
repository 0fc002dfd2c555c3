"""Tables of settlement."""

from __future__ import annotations

revision = "0007_settlement"
down_revision = "0006_account"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
