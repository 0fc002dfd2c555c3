"""Tables of rules."""

from __future__ import annotations

revision = "0008_rules"
down_revision = "0007_settlement"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
