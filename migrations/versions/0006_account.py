"""Tables of account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_account"
down_revision = "0005_payment"
branch_labels = None
depends_on = None

GUARD = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_money()
"""
SUMS_TO_ZERO = """
CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM added GROUP BY transfer_id, layer, currency
        HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0
    ) THEN
        RAISE EXCEPTION 'the entries of a transfer must sum to zero in each currency' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""
CHECK_SUMS = """
CREATE TRIGGER ledger_entry_sums_to_zero AFTER INSERT ON ledger_entry
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced()
"""


def upgrade() -> None:
    op.create_table(
        "ledger_account",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("lowest_minor", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_account")),
    )
    op.create_table(
        "ledger_balance",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("lowest_minor", sa.BigInteger(), nullable=True),
        sa.Column("debits_posted_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_posted_minor", sa.BigInteger(), nullable=False),
        sa.Column("debits_pending_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_pending_minor", sa.BigInteger(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "lowest_minor IS NULL OR lowest_minor <= CASE side WHEN 'asset' THEN debits_posted_minor - credits_posted_minor - credits_pending_minor ELSE credits_posted_minor - debits_posted_minor - debits_pending_minor END",
            name=op.f("ck_ledger_balance_limit_held"),
        ),
        sa.PrimaryKeyConstraint("account_id", "slot", name=op.f("pk_ledger_balance")),
    )
    op.create_table(
        "ledger_entry",
        sa.Column("transfer_id", sa.String(), nullable=False),
        sa.Column("layer", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("amount_minor > 0 OR layer = 'pending'", name=op.f("ck_ledger_entry_posted_positive")),
        sa.CheckConstraint("layer IN ('posted', 'pending')", name=op.f("ck_ledger_entry_layer_known")),
        sa.CheckConstraint("side IN ('debit', 'credit')", name=op.f("ck_ledger_entry_side_known")),
        sa.PrimaryKeyConstraint("transfer_id", "layer", "side", name=op.f("pk_ledger_entry")),
    )
    op.create_index("ix_ledger_entry_account_id_created_at", "ledger_entry", ["account_id", "created_at"], unique=False)
    op.create_table(
        "ledger_transfer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("linked_id", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("debit_account_id", sa.String(), nullable=False),
        sa.Column("credit_account_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("pending_id", sa.String(), nullable=True),
        sa.Column("corrects_id", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("body_sha256", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "(phase IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)", name=op.f("ck_ledger_transfer_resolves")
        ),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_ledger_transfer_amount_not_negative")),
        sa.CheckConstraint("debit_account_id <> credit_account_id", name=op.f("ck_ledger_transfer_two_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfer")),
        sa.UniqueConstraint("corrects_id", name=op.f("uq_ledger_transfer_corrects_id")),
        sa.UniqueConstraint("pending_id", name=op.f("uq_ledger_transfer_pending_id")),
    )
    op.create_index(
        "ix_ledger_transfer_expires_at",
        "ledger_transfer",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("phase = 'pending' AND expires_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_ledger_transfer_linked_id"), "ledger_transfer", ["linked_id"], unique=False)
    op.create_index(op.f("ix_ledger_transfer_subject"), "ledger_transfer", ["subject"], unique=False)
    for table in ("ledger_transfer", "ledger_entry"):
        op.execute(GUARD.format(table=table))
    op.execute(SUMS_TO_ZERO)
    op.execute(CHECK_SUMS)


def downgrade() -> None:
    op.drop_index(op.f("ix_ledger_transfer_subject"), table_name="ledger_transfer")
    op.drop_index(op.f("ix_ledger_transfer_linked_id"), table_name="ledger_transfer")
    op.drop_index(
        "ix_ledger_transfer_expires_at",
        table_name="ledger_transfer",
        postgresql_where=sa.text("phase = 'pending' AND expires_at IS NOT NULL"),
    )
    op.drop_table("ledger_transfer")
    op.drop_index("ix_ledger_entry_account_id_created_at", table_name="ledger_entry")
    op.drop_table("ledger_entry")
    op.drop_table("ledger_balance")
    op.drop_table("ledger_account")
    op.execute("DROP FUNCTION refuse_unbalanced")
