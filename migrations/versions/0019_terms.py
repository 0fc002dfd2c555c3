"""Payment terms: what is due later."""

from __future__ import annotations

revision = "0019_terms"
down_revision = "0018_user"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
