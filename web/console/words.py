"""Words for codes that come from elsewhere: roles, accounts, outcomes, acts. A code without a word shows itself."""

from __future__ import annotations

from web.console.texts import N_

WORDS = {
    "editor": N_("editor"),
    "approver": N_("approver"),
    "operator": N_("operator"),
    "admin": N_("admin"),
    "auditor": N_("auditor"),
    "provider_clearing": N_("provider clearing"),
    "sales_in_transit": N_("sales in transit"),
    "seller_payable": N_("seller payable"),
    "commission_revenue": N_("commission revenue"),
    "tax_payable": N_("tax payable"),
    "delivery_revenue": N_("delivery revenue"),
    "buyer_wallet": N_("buyer wallet"),
    "bank": N_("bank"),
    "exchange": N_("currency exchange"),
    "posted": N_("posted"),
    "pending": N_("pending"),
    "confirmed": N_("confirmed"),
    "declined": N_("declined"),
    "rejected": N_("rejected"),
    "refused": N_("refused"),
    "undone": N_("undone"),
    "cancelled": N_("cancelled"),
    "expired": N_("expired"),
    "completed": N_("completed"),
    "retry": N_("Retry"),
    "retry_with": N_("Retry with this input"),
    "skip": N_("Skip with this result"),
    "undo": N_("Undo and stop"),
    "checkout": N_("checkout"),
    "order.reviewed": N_("a person's decision about the order"),
}


def word_of(code: str) -> str:
    """The word to translate."""
    return WORDS.get(str(code)) or str(code).replace("_", " ")
