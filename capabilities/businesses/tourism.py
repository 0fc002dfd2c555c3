"""Tourism: travellers take longer to pay and need their places kept; groups are booked by request."""

from __future__ import annotations

import re
from datetime import date

from capabilities.transaction.contract import CheckoutRequest, Offer, Order
from capabilities.transaction.extensions import begins_on, most_units, reservation_minutes

BUSINESS = "tourism"

LARGEST_PARTY = 9
HOLD_MINUTES = 45
_DAY_OF_SKU = re.compile(r"\.(\d{4}-\d{2}-\d{2})$")


@reservation_minutes.realize(BUSINESS)
def hold_places_longer() -> int:
    """Names and passports have to be typed in: places stay held for three quarters of an hour."""
    return HOLD_MINUTES


@most_units.realize(BUSINESS)
def no_groups(offer: Offer) -> int | None:
    """Up to nine places of anything that can sell out; more is a group, and groups ask first."""
    return LARGEST_PARTY if offer.available_units is not None else None


@begins_on.realize(BUSINESS)
def on_the_first_day_that_was_booked(sold: Order | CheckoutRequest) -> date | None:
    """What has a date is sold under a sku that ends in it, such as `TR-QUI.2027-02-01`; else the order's attribute says."""
    days = [date.fromisoformat(found[1]) for line in sold.lines if (found := _DAY_OF_SKU.search(line.sku))]
    return min(days, default=None) or begins_on.default(sold)
