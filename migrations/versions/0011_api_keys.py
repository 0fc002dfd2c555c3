"""Tables of API keys."""

from __future__ import annotations

revision = "0011_api_keys"
down_revision = "0010_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
