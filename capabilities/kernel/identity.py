"""Business identity: which line of business asks, and optionally in which scenario of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PLATFORM = "platform"
"""The identity everything falls back to."""


@dataclass(frozen=True, slots=True, order=True)
class BusinessIdentity:
    """`business` names a line of business (or `PLATFORM`); `scenario` narrows it, such as `livestream`."""

    business: str
    scenario: str | None = None

    def fallback(self) -> Iterator[BusinessIdentity]:
        """Itself, then the wider ones: scenario, business, platform."""
        yield self
        if self.scenario is not None:
            yield BusinessIdentity(self.business)
        if self.business != PLATFORM:
            yield BusinessIdentity(PLATFORM)

    def __str__(self) -> str:
        return self.business if self.scenario is None else f"{self.business}/{self.scenario}"
