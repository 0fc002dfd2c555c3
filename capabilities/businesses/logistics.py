"""Logistics: differs by a rule set of its own for order risk, and by what one parcel may weigh."""

from __future__ import annotations

from capabilities.transaction.contract import Offer
from capabilities.transaction.extensions import most_units

BUSINESS = "logistics"

PARCELS = "parcels"
HEAVIEST_PARCEL_KG = 31


@most_units.realize(BUSINESS)
def what_one_person_can_lift(offer: Offer) -> int | None:
    """Parcels are sold by the kilogram, up to what one person may lift; what is heavier goes as freight."""
    return HEAVIEST_PARCEL_KG if f"{offer.category}/".startswith(f"{PARCELS}/") else None
