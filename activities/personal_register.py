"""Where data about buyers stands: every column that could hold some, and what erasing a buyer does to it.

A column that could (free text, JSON, a name, an address) and is not registered fails a test: whoever adds one says here
what becomes of it. Ids of buyers are opaque by the rule of this platform, and stay everywhere: orders and books need them.
Copies outside the database: Temporal keeps the inputs of ended runs for its retention time (72 hours), log files name ids
only, backups end with their own rotation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Manner(StrEnum):
    """What becomes of a column when a buyer is erased."""

    EMPTIED = "emptied"
    """It was the buyer's own: nothing is left of it."""
    SCRUBBED = "scrubbed"
    """Text or JSON around the buyer: what was known of the person is taken out, the rest stays."""
    KEPT = "kept"
    """Ids, amounts, codes and words of ours: nothing of a person is ever put there."""
    OTHERS = "others"
    """About people who work here, or about the business: no buyer."""


class Link(StrEnum):
    """How rows belong to a buyer."""

    BUYER = "buyer"
    ORDER = "order"
    RUN = "run"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Registered:
    """A table's columns by manner; rows that are scrubbed are found by `column`, which holds ids of the kind `link`."""

    manners: dict[Manner, tuple[str, ...]]
    link: Link | None = None
    column: str = ""


def _kept(*columns: str) -> Registered:
    return Registered({Manner.KEPT: columns})


def _others(*columns: str) -> Registered:
    return Registered({Manner.OTHERS: columns})


def _scrubbed(link: Link, column: str, *columns: str, kept: tuple[str, ...] = ()) -> Registered:
    return Registered({Manner.SCRUBBED: columns, Manner.KEPT: kept}, link, column)


REGISTER: dict[str, Registered] = {
    "api_client": _others("name", "operations"),
    "audit_entry": _others("detail"),
    "buyer": Registered(
        {
            Manner.EMPTIED: (
                "name",
                "email",
                "birthday",
                "tags",
                "segments",
                "tier_reason",
                "set_tier_reason",
                "status_reason",
            )
        }
    ),
    "buyer_tier_change": _scrubbed(Link.BUYER, "buyer_id", "reason"),
    "campaign": _others("name"),
    "campaign_budget": _others("per"),
    "campaign_budget_change": _others("reason"),
    "commission_line": _kept("tiers", "reason"),
    "commission_rate": _others("tiers", "reason"),
    "coupon": _scrubbed(Link.BUYER, "buyer_id", "reason"),
    "coupon_lot": _others("name", "plan"),
    "gift_card": _scrubbed(Link.BUYER, "buyer_id", "state_reason"),
    "goods_return": _scrubbed(Link.ORDER, "order_id", "reason", "status_reason"),
    "idempotency": _scrubbed(Link.RUN, "run_id", "answer_body"),
    "ledger_transfer": _kept("reason"),
    "limit_claim": _kept("parts"),
    "offer": _others("attributes", "tags"),
    "operator": _others("email", "name"),
    "order_act": _scrubbed(Link.ORDER, "order_id", "request", "answer"),
    "outbox_event": _scrubbed(Link.ORDER, "subject", "data"),
    "payment_due": _kept("reason"),
    "payment_event": _kept("reason"),
    "payout": _others("reason"),
    "price_change": _others("reason"),
    "process_approval": _scrubbed(Link.RUN, "run_id", "shows", "reason"),
    "process_definition": _others("body"),
    "process_repair": _scrubbed(Link.RUN, "run_id", "change", "reason"),
    "process_run": _scrubbed(Link.RUN, "id", "input", "error"),
    "process_step": _scrubbed(Link.RUN, "run_id", "request", "intent", "response", "error", "undo"),
    "provider_event": _kept("effect", "reason"),
    "quote": _scrubbed(Link.BUYER, "buyer_id", "cart", kept=("body", "release_ids", "circumstances")),
    "reconciliation_file": _others("name"),
    "reconciliation_row": _others("note", "resolved_reason"),
    "refund": _scrubbed(Link.ORDER, "order_id", "reason", "status_reason", kept=("sources",)),
    "refund_change": _scrubbed(Link.REFUND, "refund_id", "reason"),
    "refund_line": _kept("adjustments"),
    "rule_audit": _others("reason", "details"),
    "rule_draft": _others("document", "authors"),
    "rule_publication": _others("reason"),
    "rule_release": _others("document"),
    "rule_submission": _others("document", "authors", "reason", "decision_note"),
    "sales_order": Registered(
        {Manner.EMPTIED: ("attributes",), Manner.SCRUBBED: ("status_reason", "draft"), Manner.KEPT: ("tags",)},
        Link.ORDER,
        "id",
    ),
    "sales_order_change": _scrubbed(Link.ORDER, "order_id", "reason"),
    "segment": _others("condition"),
    "seller_order": _kept("sources"),
    "seller_transfer": _kept("reason"),
    "settlement_closed_day": _others("name"),
    "settlement_dispute": _scrubbed(Link.ORDER, "order_id", "reason"),
    "settlement_hold": _others("reason", "lifted_reason"),
    "sign_in_attempt": _others("email", "address"),
    "simulated_bank_act": _kept("reason"),
    "simulated_message": _kept("body"),
    "simulated_provider_act": _kept("reason"),
    "webhook_attempt": _kept("error"),
    "webhook_delivery": _kept("last_error"),
    "webhook_endpoint": _others("event_types", "status_reason"),
}
