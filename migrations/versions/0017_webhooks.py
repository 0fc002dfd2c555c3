"""Webhook endpoints and deliveries."""

from __future__ import annotations

revision = "0017_webhooks"
down_revision = "0016_settlement"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
