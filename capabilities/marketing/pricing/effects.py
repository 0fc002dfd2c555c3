"""All effects on prices, registered: `grants_of` finds the function of a kind."""

from __future__ import annotations

from capabilities.marketing.pricing import price_effects, set_effects, tier_effects
from capabilities.marketing.pricing.ground import Ground
from capabilities.marketing.pricing.registry import effect_function, grants_of

__all__ = ["Ground", "effect_function", "grants_of", "price_effects", "set_effects", "tier_effects"]
