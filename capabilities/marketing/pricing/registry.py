"""The registry from the kind of an effect to the pure function that says what it is worth.

A new kind of effect is a contract type and one function. A function sees only its ground; it says what each position is
granted and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from capabilities.kernel.errors import InvalidError
from capabilities.marketing.pricing.ground import Ground
from capabilities.marketing.pricing.state import Grant

EffectFunction = Callable[[Any, Ground], list[Grant]]

_EFFECTS: dict[str, EffectFunction] = {}


def effect_function(kind: str) -> Callable[[EffectFunction], EffectFunction]:
    """Decorator: this function computes effects of that kind."""

    def register(function: EffectFunction) -> EffectFunction:
        _EFFECTS[kind] = function
        return function

    return register


def grants_of(effect: Any, ground: Ground) -> list[Grant]:
    """What the effect grants each position; those that neither wish, nor get, nor use up anything are left out."""
    if effect.kind not in _EFFECTS:
        raise InvalidError("marketing.effect_unknown", f"No arithmetic is known for the effect {effect.kind!r}.")
    if not ground.positions:
        return []
    found = _EFFECTS[effect.kind](effect, ground)
    return [grant for grant in found if grant.wished_minor or grant.given_minor or grant.set_units]
