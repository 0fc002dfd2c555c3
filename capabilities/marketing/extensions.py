"""Where a line of business may do marketing its own way. `capabilities/businesses` realizes what differs."""

from __future__ import annotations

from capabilities.kernel.extension import ExtensionPoint
from capabilities.kernel.settings import settings
from capabilities.marketing.slots import MOST_SLOTS


def _thirty_minutes() -> int:
    """How long a quote stands, in minutes; afterwards the price is asked anew."""
    return 30


def _minutes_of_the_settings() -> int:
    """How long a use of a coupon is held for an order that is not paid yet."""
    return settings().reservation_minutes


def _sixteen() -> int:
    """Into how many slots a counter of much traffic is split at most."""
    return MOST_SLOTS


def _of_what_was_never_sent(refund_kind: str) -> bool:
    """Whether uses of limits come back when all goods of an order are refunded: those of cancellations do."""
    return refund_kind == "cancellation"


quote_minutes: ExtensionPoint[[], int] = ExtensionPoint("marketing.quote_minutes", _thirty_minutes)
claim_minutes: ExtensionPoint[[], int] = ExtensionPoint("marketing.claim_minutes", _minutes_of_the_settings)
counter_slots: ExtensionPoint[[], int] = ExtensionPoint("marketing.counter_slots", _sixteen)
uses_after_refund: ExtensionPoint[[str], bool] = ExtensionPoint("marketing.uses_after_refund", _of_what_was_never_sent)
