"""Tourism: travellers take longer to pay and need their places kept; groups are booked by request."""

from __future__ import annotations

from capabilities.transaction.contract import Offer
from capabilities.transaction.extensions import most_units, reservation_minutes

BUSINESS = "tourism"

LARGEST_PARTY = 9
HOLD_MINUTES = 45


@reservation_minutes.realize(BUSINESS)
def hold_places_longer() -> int:
    """Names and passports have to be typed in: places stay held for three quarters of an hour."""
    return HOLD_MINUTES


@most_units.realize(BUSINESS)
def no_groups(offer: Offer) -> int | None:
    """Up to nine places of anything that can sell out; more is a group, and groups ask first."""
    return LARGEST_PARTY if offer.available_units is not None else None
