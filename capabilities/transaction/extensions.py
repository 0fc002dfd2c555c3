"""Where a line of business may sell its own way. `capabilities/businesses` realizes what differs."""

from __future__ import annotations

from datetime import date, datetime

from capabilities.kernel.extension import ExtensionPoint
from capabilities.kernel.settings import settings
from capabilities.transaction.contract import CheckoutRequest, Offer, Order


def _three_letters_month_and_sequence(business: str, sequence: int, placed_at: datetime) -> str:
    """The number people read on an order, such as RET-2611-000042; `sequence` alone already makes it unique."""
    return f"{business[:3].upper()}-{placed_at:%y%m}-{sequence:06d}"


def _minutes_of_the_settings() -> int:
    """How long stock is held for an order that is not paid yet."""
    return settings().reservation_minutes


def _eight_days() -> int:
    """How long stock is held for an order that a person has to look at, in hours: longer than the process waits."""
    return 8 * 24


def _as_many_as_there_are(offer: Offer) -> int | None:  # noqa: ARG001 - realizations decide by the offer
    """The most pieces of one sku an order may take; None where only the stock limits it."""
    return None


def _two_weeks(order: Order) -> int:  # noqa: ARG001 - realizations decide by the order
    """How many days a buyer has to send something back, once all of an order is handed over."""
    return 14


def _as_its_attribute_says(sold: Order | CheckoutRequest) -> date | None:
    """The day on which what is sold begins, such as an arrival; None where the order, or the cart, has no such day."""
    try:
        return date.fromisoformat(sold.attributes.get("begins_on", ""))
    except ValueError:
        return None


order_number: ExtensionPoint[[str, int, datetime], str] = ExtensionPoint(
    "transaction.order_number", _three_letters_month_and_sequence
)
reservation_minutes: ExtensionPoint[[], int] = ExtensionPoint(
    "transaction.reservation_minutes", _minutes_of_the_settings
)
review_hours: ExtensionPoint[[], int] = ExtensionPoint("transaction.review_hours", _eight_days)
most_units: ExtensionPoint[[Offer], int | None] = ExtensionPoint("transaction.most_units", _as_many_as_there_are)
longest_hold_hours: ExtensionPoint[[], int] = ExtensionPoint("transaction.longest_hold_hours", _eight_days)
"""How long after an order was placed its stock may be held at most, however often that is extended."""
return_days: ExtensionPoint[[Order], int] = ExtensionPoint("transaction.return_days", _two_weeks)
"""Days for returns after the last piece of an order was handed over; with them over, the order is complete."""
begins_on: ExtensionPoint[[Order | CheckoutRequest], date | None] = ExtensionPoint(
    "transaction.begins_on", _as_its_attribute_says
)
