"""Tables of access."""

from __future__ import annotations

revision = "0010_access"
down_revision = "0009_journal"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
