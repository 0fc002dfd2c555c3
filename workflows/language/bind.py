"""Bindings become values: references are looked up in what is known, everything else is itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from capabilities.kernel.expression import Condition, Facts, holds
from workflows.language.definition import is_text

Values = Mapping[str, Any]
"""`input`, `run`, and the response of every step that ran, by its name."""


def look_up(reference: str, values: Values) -> Any:
    """What a reference stands for; None where a step did not run or a field is absent."""
    found: Any = values
    for part in reference.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def bind(binding: Any, values: Values) -> Any:
    """The JSON value of a binding."""
    if isinstance(binding, str):
        return look_up(binding, values)
    if isinstance(binding, dict):
        return binding["text"] if is_text(binding) else {key: bind(part, values) for key, part in binding.items()}
    if isinstance(binding, list):
        return [bind(part, values) for part in binding]
    return binding


class _References(Mapping[str, Any]):
    """Values seen as the flat facts that conditions ask for."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def __getitem__(self, reference: str) -> Any:
        found = look_up(reference, self._values)
        return found if isinstance(found, str | int | bool | list | None) else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def condition_holds(condition: Condition, values: Values) -> bool:
    """Whether a condition over references is true."""
    facts: Facts = _References(values)
    return holds(condition, facts)
