"""Statements and limits of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_account"
down_revision = "0014_payment"
branch_labels = None
depends_on = None

REFUSE_UNBALANCED = """
CREATE OR REPLACE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM added GROUP BY transfer_id, layer, currency
        HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0
    ) THEN
        RAISE EXCEPTION 'the entries of a transfer must sum to zero in each currency' USING ERRCODE = 'check_violation';
    END IF;{closed}
    RETURN NULL;
END $$
"""
CLOSED = """
    IF EXISTS (SELECT 1 FROM added WHERE created_at < (SELECT max(ends_at) FROM ledger_day)) THEN
        RAISE EXCEPTION 'this day of the books is closed' USING ERRCODE = 'check_violation';
    END IF;"""
CEILING = (
    "highest_minor IS NULL OR highest_minor >= CASE side"
    " WHEN 'asset' THEN debits_posted_minor - credits_posted_minor + debits_pending_minor"
    " ELSE credits_posted_minor - debits_posted_minor + credits_pending_minor END"
)
RATE = "(exchange_id IS NULL) = (rate_numerator IS NULL) AND (exchange_id IS NULL) = (rate_denominator IS NULL)"


def upgrade() -> None:
    op.create_table(
        "gift_card",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("last4", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("initial_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_reason", sa.String(), nullable=True),
        sa.Column("funding", sa.String(), nullable=False),
        sa.Column("buyer_id", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("state IN ('active', 'frozen', 'expired')", name=op.f("ck_gift_card_state_known")),
        sa.CheckConstraint("initial_minor > 0", name=op.f("ck_gift_card_initial_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_card")),
        sa.UniqueConstraint("business", "reference", name=op.f("uq_gift_card_business_reference")),
    )
    op.create_index("ix_gift_card_business_issued_at", "gift_card", ["business", "issued_at", "id"], unique=False)
    op.create_index(op.f("ix_gift_card_buyer_id"), "gift_card", ["buyer_id"], unique=False)
    op.create_index(
        "ix_gift_card_expires_at",
        "gift_card",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state <> 'expired'"),
    )
    op.create_index(op.f("ix_gift_card_subject"), "gift_card", ["subject"], unique=False)
    op.create_table(
        "ledger_checkpoint",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("debits_posted_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_posted_minor", sa.BigInteger(), nullable=False),
        sa.Column("debits_pending_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_pending_minor", sa.BigInteger(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "at", name=op.f("pk_ledger_checkpoint")),
    )
    op.create_table(
        "ledger_day",
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("ends_at", name=op.f("pk_ledger_day")),
    )
    op.add_column("ledger_account", sa.Column("highest_minor", sa.BigInteger(), nullable=True))
    op.add_column("ledger_balance", sa.Column("highest_minor", sa.BigInteger(), nullable=True))
    op.add_column("ledger_transfer", sa.Column("exchange_id", sa.String(), nullable=True))
    op.add_column("ledger_transfer", sa.Column("rate_numerator", sa.BigInteger(), nullable=True))
    op.add_column("ledger_transfer", sa.Column("rate_denominator", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_ledger_balance_ceiling_held"), "ledger_balance", CEILING)
    op.create_check_constraint(op.f("ck_ledger_transfer_exchange_has_rate"), "ledger_transfer", RATE)
    op.create_index(
        "ix_ledger_account_business_kind_party", "ledger_account", ["business", "kind", "party"], unique=False
    )
    op.execute(REFUSE_UNBALANCED.format(closed=CLOSED))


def downgrade() -> None:
    op.execute(REFUSE_UNBALANCED.format(closed=""))
    op.drop_index("ix_ledger_account_business_kind_party", table_name="ledger_account")
    op.drop_constraint(op.f("ck_ledger_transfer_exchange_has_rate"), "ledger_transfer")
    op.drop_constraint(op.f("ck_ledger_balance_ceiling_held"), "ledger_balance")
    op.drop_column("ledger_transfer", "rate_denominator")
    op.drop_column("ledger_transfer", "rate_numerator")
    op.drop_column("ledger_transfer", "exchange_id")
    op.drop_column("ledger_balance", "highest_minor")
    op.drop_column("ledger_account", "highest_minor")
    op.drop_table("ledger_day")
    op.drop_table("ledger_checkpoint")
    op.drop_index(op.f("ix_gift_card_subject"), table_name="gift_card")
    op.drop_index("ix_gift_card_expires_at", table_name="gift_card", postgresql_where=sa.text("state <> 'expired'"))
    op.drop_index(op.f("ix_gift_card_buyer_id"), table_name="gift_card")
    op.drop_index("ix_gift_card_business_issued_at", table_name="gift_card")
    op.drop_table("gift_card")
