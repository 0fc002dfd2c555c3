"""Seller transfers, payouts, disputes, reconciliation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016_settlement"
down_revision = "0015_account"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_payouts()
    _add_reconciliation()
    _add_commission()
    _add_commission_checks()


def downgrade() -> None:
    _drop_commission_checks()
    _drop_commission()
    _drop_reconciliation()
    _drop_payouts()


def _add_payouts() -> None:
    op.create_table(
        "commission_reversal",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("commission_line_id", sa.String(), nullable=False),
        sa.Column("refund_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("line_id", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("base_minor", sa.BigInteger(), nullable=False),
        sa.Column("commission_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("channel_fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("withheld_minor", sa.BigInteger(), nullable=False),
        sa.Column("kept_base_minor", sa.BigInteger(), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reinstated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commission_reversal")),
        sa.UniqueConstraint(
            "refund_id", "commission_line_id", name=op.f("uq_commission_reversal_refund_id_commission_line_id")
        ),
    )
    op.create_index(
        op.f("ix_commission_reversal_commission_line_id"), "commission_reversal", ["commission_line_id"], unique=False
    )
    op.create_index(op.f("ix_commission_reversal_order_id"), "commission_reversal", ["order_id"], unique=False)
    op.create_table(
        "payout",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("earned_minor", sa.BigInteger(), nullable=False),
        sa.Column("taken_back_minor", sa.BigInteger(), nullable=False),
        sa.Column("transfers", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("bank_reference", sa.String(), nullable=True),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payout_pays_something")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout")),
        sa.UniqueConstraint("batch_id", "seller_id", "currency", name=op.f("uq_payout_batch_id_seller_id_currency")),
    )
    op.create_index("ix_payout_list", "payout", ["business", "planned_at", "id"], unique=False)
    op.create_index("ix_payout_seller", "payout", ["business", "seller_id", "currency"], unique=False)
    op.create_table(
        "payout_batch",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run_date", sa.Date(), nullable=False),
        sa.Column("run_key", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("planned_by", sa.String(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_batch")),
        sa.UniqueConstraint("business", "run_key", name=op.f("uq_payout_batch_business_run_key")),
    )
    op.create_index("ix_payout_batch_list", "payout_batch", ["business", "planned_at", "id"], unique=False)
    op.create_table(
        "seller_account",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=True),
        sa.Column("minimum_minor", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seller_account")),
    )
    op.create_table(
        "seller_statement",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("payout_id", sa.String(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closing_minor", sa.BigInteger(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seller_statement")),
        sa.UniqueConstraint("payout_id", name=op.f("uq_seller_statement_payout_id")),
    )
    op.create_index("ix_seller_statement_list", "seller_statement", ["business", "issued_at", "id"], unique=False)
    op.create_table(
        "seller_transfer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("line_id", sa.String(), nullable=True),
        sa.Column("refund_id", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reserve_bps", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserve_days", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("payout_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "(status IN ('claimed', 'paid')) = (payout_id IS NOT NULL)",
            name=op.f("ck_seller_transfer_claimed_by_a_payout"),
        ),
        sa.CheckConstraint(
            "status = 'waiting' OR available_at IS NOT NULL", name=op.f("ck_seller_transfer_due_has_a_time")
        ),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_seller_transfer_moves_something")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seller_transfer")),
    )
    op.create_index(
        "ix_seller_transfer_due",
        "seller_transfer",
        ["business", "available_at"],
        unique=False,
        postgresql_where="status = 'waiting'",
    )
    op.create_index("ix_seller_transfer_list", "seller_transfer", ["business", "booked_at", "id"], unique=False)
    op.create_index(op.f("ix_seller_transfer_order_id"), "seller_transfer", ["order_id"], unique=False)
    op.create_index(op.f("ix_seller_transfer_payout_id"), "seller_transfer", ["payout_id"], unique=False)
    op.create_index(
        "ix_seller_transfer_seller", "seller_transfer", ["business", "seller_id", "currency", "status"], unique=False
    )
    op.create_index(
        "ix_seller_transfer_timeless",
        "seller_transfer",
        ["business", "checked_at"],
        unique=False,
        postgresql_where="status = 'waiting' AND available_at IS NULL",
    )
    op.create_table(
        "settlement_closed_day",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_closed_day")),
    )
    op.create_table(
        "settlement_dispute",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_dispute")),
        sa.UniqueConstraint("order_id", "reference", name=op.f("uq_settlement_dispute_order_id_reference")),
    )
    op.create_table(
        "settlement_hold",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seller_id", sa.String(), nullable=True),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.Column("lifted_reason", sa.String(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "(seller_id IS NULL) <> (order_id IS NULL)", name=op.f("ck_settlement_hold_of_a_seller_or_an_order")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_hold")),
    )
    op.create_index(
        "ix_settlement_hold_active",
        "settlement_hold",
        ["business", "seller_id", "order_id"],
        unique=False,
        postgresql_where="lifted_at IS NULL",
    )
    op.create_table(
        "simulated_bank_act",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("acts", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answers_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_simulated_bank_act")),
    )


def _add_reconciliation() -> None:
    op.create_table(
        "reconciliation_file",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("covers_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_by", sa.String(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_file")),
        sa.UniqueConstraint(
            "business",
            "kind",
            "provider",
            "content_sha256",
            name=op.f("uq_reconciliation_file_business_kind_provider_content_sha256"),
        ),
    )
    op.create_index(
        "ix_reconciliation_file_list", "reconciliation_file", ["business", "imported_at", "id"], unique=False
    )
    op.create_table(
        "reconciliation_row",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("payout_reference", sa.String(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("file_id", sa.String(), nullable=True),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("standing", sa.String(), nullable=False),
        sa.Column("mistake", sa.String(), nullable=True),
        sa.Column("partner_id", sa.String(), nullable=True),
        sa.Column("difference_minor", sa.BigInteger(), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("resolution", sa.String(), nullable=True),
        sa.Column("resolved_reason", sa.String(), nullable=True),
        sa.Column("proposed_by", sa.String(), nullable=True),
        sa.Column("resolved_by", sa.String(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business", sa.String(length=40), nullable=False),
        sa.CheckConstraint(
            "(resolved_at IS NULL) OR (standing = 'mistake')",
            name=op.f("ck_reconciliation_row_only_mistakes_are_resolved"),
        ),
        sa.CheckConstraint(
            "(standing = 'mistake') = (mistake IS NOT NULL)", name=op.f("ck_reconciliation_row_mistake_has_a_kind")
        ),
        sa.CheckConstraint(
            "standing IN ('matched', 'parked', 'mistake')", name=op.f("ck_reconciliation_row_standing_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_row")),
        sa.UniqueConstraint("file_id", "line", "side", name=op.f("uq_reconciliation_row_file_id_line_side")),
    )
    op.create_index("ix_reconciliation_row_key", "reconciliation_row", ["business", "provider", "key"], unique=False)
    op.create_index(
        "ix_reconciliation_row_standing",
        "reconciliation_row",
        ["business", "standing", "occurred_at", "id"],
        unique=False,
    )


def _add_commission() -> None:
    op.add_column("commission_line", sa.Column("per_order_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commission_line", sa.Column("tiers", postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column("commission_line", sa.Column("tiers_by", sa.String(), server_default="amount", nullable=False))
    op.add_column("commission_line", sa.Column("channel_rate_bps", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column(
        "commission_line", sa.Column("channel_flat_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("commission_line", sa.Column("withheld_bps", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commission_line", sa.Column("release_id", sa.String(), nullable=True))
    op.add_column("commission_line", sa.Column("volume_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commission_line", sa.Column("is_first", sa.Boolean(), server_default="true", nullable=False))
    op.add_column(
        "commission_line", sa.Column("channel_fee_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("commission_line", sa.Column("withheld_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commission_line", sa.Column("booked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_commission_line_unbooked",
        "commission_line",
        ["business", "frozen_at"],
        unique=False,
        postgresql_where="booked_at IS NULL AND status = 'frozen'",
    )
    op.create_index(
        "ix_commission_line_volume", "commission_line", ["business", "seller_id", "frozen_at"], unique=False
    )
    op.add_column("commission_rate", sa.Column("currency", sa.String(), nullable=True))
    op.add_column("commission_rate", sa.Column("per_order_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commission_rate", sa.Column("tiers", postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column("commission_rate", sa.Column("tiers_by", sa.String(), server_default="amount", nullable=False))
    op.add_column("commission_rate", sa.Column("channel_rate_bps", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column(
        "commission_rate", sa.Column("channel_flat_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("commission_rate", sa.Column("withheld_bps", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commission_rate", sa.Column("revision", sa.String(), server_default="", nullable=False))
    op.drop_constraint(op.f("uq_commission_rate_business_seller_id_category"), "commission_rate", type_="unique")
    op.create_unique_constraint(
        op.f("uq_commission_rate_business_seller_id_category_currency"),
        "commission_rate",
        ["business", "seller_id", "category", "currency"],
        postgresql_nulls_not_distinct=True,
    )


def _add_commission_checks() -> None:
    op.create_check_constraint(
        op.f("ck_commission_line_other_fees_not_negative"),
        "commission_line",
        "channel_fee_minor >= 0 AND withheld_minor >= 0",
    )
    op.drop_constraint(op.f("ck_commission_line_fee_within_base"), "commission_line", type_="check")
    op.create_check_constraint(
        op.f("ck_commission_line_fee_within_base"),
        "commission_line",
        "commission_minor + tax_minor + channel_fee_minor + withheld_minor <= base_minor",
    )


def _drop_payouts() -> None:
    op.drop_table("simulated_bank_act")
    op.drop_index("ix_settlement_hold_active", table_name="settlement_hold", postgresql_where="lifted_at IS NULL")
    op.drop_table("settlement_hold")
    op.drop_table("settlement_dispute")
    op.drop_table("settlement_closed_day")
    op.drop_index(
        "ix_seller_transfer_timeless",
        table_name="seller_transfer",
        postgresql_where="status = 'waiting' AND available_at IS NULL",
    )
    op.drop_index("ix_seller_transfer_seller", table_name="seller_transfer")
    op.drop_index(op.f("ix_seller_transfer_payout_id"), table_name="seller_transfer")
    op.drop_index(op.f("ix_seller_transfer_order_id"), table_name="seller_transfer")
    op.drop_index("ix_seller_transfer_list", table_name="seller_transfer")
    op.drop_index("ix_seller_transfer_due", table_name="seller_transfer", postgresql_where="status = 'waiting'")
    op.drop_table("seller_transfer")
    op.drop_index("ix_seller_statement_list", table_name="seller_statement")
    op.drop_table("seller_statement")
    op.drop_table("seller_account")
    op.drop_index("ix_payout_batch_list", table_name="payout_batch")
    op.drop_table("payout_batch")
    op.drop_index("ix_payout_seller", table_name="payout")
    op.drop_index("ix_payout_list", table_name="payout")
    op.drop_table("payout")
    op.drop_index(op.f("ix_commission_reversal_order_id"), table_name="commission_reversal")
    op.drop_index(op.f("ix_commission_reversal_commission_line_id"), table_name="commission_reversal")
    op.drop_table("commission_reversal")


def _drop_reconciliation() -> None:
    op.drop_index("ix_reconciliation_row_standing", table_name="reconciliation_row")
    op.drop_index("ix_reconciliation_row_key", table_name="reconciliation_row")
    op.drop_table("reconciliation_row")
    op.drop_index("ix_reconciliation_file_list", table_name="reconciliation_file")
    op.drop_table("reconciliation_file")


def _drop_commission() -> None:
    op.drop_constraint(
        op.f("uq_commission_rate_business_seller_id_category_currency"), "commission_rate", type_="unique"
    )
    op.create_unique_constraint(
        op.f("uq_commission_rate_business_seller_id_category"),
        "commission_rate",
        ["business", "seller_id", "category"],
        postgresql_nulls_not_distinct=True,
    )
    op.drop_column("commission_rate", "revision")
    op.drop_column("commission_rate", "withheld_bps")
    op.drop_column("commission_rate", "channel_flat_minor")
    op.drop_column("commission_rate", "channel_rate_bps")
    op.drop_column("commission_rate", "tiers_by")
    op.drop_column("commission_rate", "tiers")
    op.drop_column("commission_rate", "per_order_minor")
    op.drop_column("commission_rate", "currency")
    op.drop_index("ix_commission_line_volume", table_name="commission_line")
    op.drop_index(
        "ix_commission_line_unbooked",
        table_name="commission_line",
        postgresql_where="booked_at IS NULL AND status = 'frozen'",
    )
    op.drop_column("commission_line", "booked_at")
    op.drop_column("commission_line", "withheld_minor")
    op.drop_column("commission_line", "channel_fee_minor")
    op.drop_column("commission_line", "is_first")
    op.drop_column("commission_line", "volume_minor")
    op.drop_column("commission_line", "release_id")
    op.drop_column("commission_line", "withheld_bps")
    op.drop_column("commission_line", "channel_flat_minor")
    op.drop_column("commission_line", "channel_rate_bps")
    op.drop_column("commission_line", "tiers_by")
    op.drop_column("commission_line", "tiers")
    op.drop_column("commission_line", "per_order_minor")


def _drop_commission_checks() -> None:
    op.drop_constraint(op.f("ck_commission_line_fee_within_base"), "commission_line", type_="check")
    op.create_check_constraint(
        op.f("ck_commission_line_fee_within_base"), "commission_line", "commission_minor + tax_minor <= base_minor"
    )
    op.drop_constraint(op.f("ck_commission_line_other_fees_not_negative"), "commission_line", type_="check")
