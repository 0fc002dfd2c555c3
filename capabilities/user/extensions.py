"""Where a line of business may treat its buyers its own way."""

from __future__ import annotations

from capabilities.kernel.extension import ExtensionPoint
from capabilities.user.contract import Tier


def _guests_are_standard() -> str | None:
    """The tier a guest buys with; None where guests may not buy."""
    return Tier.STANDARD.value


guest_tier: ExtensionPoint[[], str | None] = ExtensionPoint("user.guest_tier", _guests_are_standard)
