"""Where a line of business may keep stored value its own way."""

from __future__ import annotations

from capabilities.account.stored import PointValue
from capabilities.kernel.extension import ExtensionPoint
from capabilities.kernel.money import minor_unit_digits


def _a_hundredth(currency: str) -> PointValue:
    """What a point is worth: a hundred points pay one unit of the currency."""
    return PointValue(currency=currency, numerator=10 ** minor_unit_digits(currency), denominator=100)


def _for_ever() -> int | None:
    """After how many days points that were not spent expire, the oldest first; None: never."""
    return None


def _three_years() -> int | None:
    """How many days a gift card is good for, unless it says otherwise; None: for ever."""
    return 3 * 365


point_value: ExtensionPoint[[str], PointValue] = ExtensionPoint("account.point_value", _a_hundredth)
points_life_days: ExtensionPoint[[], int | None] = ExtensionPoint("account.points_life_days", _for_ever)
gift_card_life_days: ExtensionPoint[[], int | None] = ExtensionPoint("account.gift_card_life_days", _three_years)
