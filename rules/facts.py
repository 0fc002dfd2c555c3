"""Facts as rules are asked about them: validated by the contract's types, then flat, with dates as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError

from capabilities.kernel.decision import FactGroup, Grain
from capabilities.kernel.errors import InvalidError


def flat_facts(groups: Mapping[str, FactGroup]) -> dict[str, Any]:
    """Typed facts by group as one flat mapping, such as `order.subtotal_minor`; what is None is left out."""
    return {
        f"{group}.{name}": value.isoformat() if isinstance(value, date) else value
        for group, facts in groups.items()
        for name in type(facts).model_fields
        if (value := getattr(facts, name)) is not None
    }


def facts_from_names(grain: Grain, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts given by dotted names, validated: an unknown name, a wrong type or a missing fact raises `InvalidError`."""
    by_group: dict[str, dict[str, Any]] = {group: {} for group in grain.groups}
    for dotted, value in facts.items():
        group, _, name = dotted.partition(".")
        if group not in by_group:
            raise InvalidError("rules.fact_unknown", f"{grain.en} has no fact {dotted!r}.", field=dotted)
        if value is not None:
            by_group[group][name] = value
    typed: dict[str, FactGroup] = {}
    for group, values in by_group.items():
        try:
            typed[group] = grain.groups[group].model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join((group, *map(str, first["loc"])))
            raise InvalidError("rules.fact_wrong", f"The fact {place}: {first['msg']}.", field=place) from error
    return flat_facts(typed)
