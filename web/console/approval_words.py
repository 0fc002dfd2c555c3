"""What a process asks a person, in words: its heading, what it is about, its money, the facts it shows."""

from __future__ import annotations

from collections.abc import Mapping

from activities.journal.approvals import ApprovalSeen
from web.console.badges import badge_of
from web.console.formats import money
from web.console.texts import N_

HEADINGS = {
    "refund": N_("Refund"),
    "top_up_budget": N_("Change of a budget"),
    "erase_buyer": N_("Erase a customer's data"),
    "payout": N_("Payout"),
    "settlement": N_("Payouts"),
    "correct_transfers": N_("Correction in the ledger"),
}
LABELS = {
    "order_number": N_("Order"),
    "number": N_("Number"),
    "kind": N_("Kind"),
    "total_minor": N_("Taken off the order"),
    "fee_minor": N_("Fee kept by the policy"),
    "due_minor": N_("To the buyer"),
    "reason": N_("Reason"),
    "policy": N_("Policy"),
    "campaign": N_("Campaign"),
    "counts": N_("What is counted"),
    "most": N_("Budget now"),
    "most_after": N_("Budget afterwards"),
    "used": N_("Used so far"),
    "amount": N_("Change"),
    "buyer_id": N_("Customer"),
    "payouts": N_("Payouts"),
    "sellers": N_("Sellers"),
    "run_date": N_("Day"),
    "amount_minor": N_("Amount"),
    "net_minor": N_("Paid out"),
}
HIDDEN = frozenset({"order_id", "refund_id", "currency", "payout_id", "business"})
MONEY = ("due_minor", "amount_minor", "net_minor", "total_minor")
BUDGET_AMOUNTS = ("most", "most_after", "used", "amount")


def heading_of(one: ApprovalSeen) -> str:
    """What is asked: a text of the catalogue."""
    return HEADINGS.get(one.process, one.process.replace("_", " "))


def about_of(one: ApprovalSeen) -> str:
    """The number or id of what it is about."""
    for name in ("number", "order_number", "campaign", "buyer_id", "payout_id"):
        if one.shows.get(name):
            return str(one.shows[name])
    return one.subject or ""


def money_of(one: ApprovalSeen) -> tuple[int | None, str]:
    """What moves if it is approved; None where no money does."""
    currency = str(one.shows.get("currency") or "")
    for name in MONEY:
        if isinstance(one.shows.get(name), int):
            return int(one.shows[name]), currency
    if one.shows.get("counts") == "spend" and isinstance(one.shows.get("amount"), int):
        return int(one.shows["amount"]), currency
    return None, currency


def facts_of(one: ApprovalSeen, currency: str) -> tuple[tuple[str, str], ...]:
    """Everything the process shows, as label (a text of the catalogue) and value."""
    shows: Mapping[str, object] = one.shows
    code = str(shows.get("currency") or currency)
    known = [name for name in LABELS if name in shows]
    ordered = [*known, *sorted(set(shows) - set(known))]  # as they are stored, their order says nothing
    return tuple(
        (LABELS.get(name, name.replace("_", " ")), _said(name, shows[name], code, shows))
        for name in ordered
        if name not in HIDDEN and shows[name] not in (None, "")
    )


def _said(name: str, value: object, currency: str, shows: Mapping[str, object]) -> str:
    is_money = name.endswith("_minor") or (name in BUDGET_AMOUNTS and shows.get("counts") == "spend")
    if is_money and isinstance(value, int):
        return money(value, currency)
    if name == "kind":
        return badge_of("refund_kind", str(value)).word
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return str(value)
