"""Tables of journal."""

from __future__ import annotations

revision = "0009_journal"
down_revision = "0008_rules"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
