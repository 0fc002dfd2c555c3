"""Tiers, segments, consent and erasure."""

from __future__ import annotations

revision = "0018_user"
down_revision = "0017_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
