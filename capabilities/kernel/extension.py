"""Extension points: where a line of business may do something its own way, with a default for all others.

A capability declares a point in its `extensions.py`; `capabilities/businesses/<name>.py` realizes it. Looking one up
walks the identity's fallback, so a business never has to be named by an `if`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from capabilities.kernel.errors import ConflictError
from capabilities.kernel.identity import PLATFORM, BusinessIdentity

P = ParamSpec("P")
R = TypeVar("R")

_POINTS: dict[str, ExtensionPoint[Any, Any]] = {}


class ExtensionPoint(Generic[P, R]):
    """A named function with a default that identities may replace. Realizations must be pure or use only their arguments."""

    def __init__(self, name: str, default: Callable[P, R]) -> None:
        if name in _POINTS:
            raise ConflictError("extension.declared_twice", f"The extension point {name} is declared twice.")
        self.name = name
        self.default = default
        self.summary = (default.__doc__ or "").strip().splitlines()[0] if default.__doc__ else ""
        self._realizations: dict[BusinessIdentity, Callable[P, R]] = {BusinessIdentity(PLATFORM): default}
        _POINTS[name] = self

    def realize(self, business: str, scenario: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorator: this function is how `business` (in `scenario`) does it. Two realizations for one identity conflict."""
        identity = BusinessIdentity(business, scenario)

        def register(function: Callable[P, R]) -> Callable[P, R]:
            if self._realizations.get(identity, function) is not function:
                raise ConflictError("extension.realized_twice", f"{self.name} is realized twice for {identity}.")
            self._realizations[identity] = function
            return function

        return register

    def for_identity(self, identity: BusinessIdentity) -> Callable[P, R]:
        """The realization for the identity or the nearest wider one; the default always exists."""
        for candidate in identity.fallback():
            if candidate in self._realizations:
                return self._realizations[candidate]
        return self.default

    def realizations(self) -> dict[BusinessIdentity, Callable[P, R]]:
        """Who does it which way, for the catalogue."""
        return dict(self._realizations)


def extension_points() -> dict[str, ExtensionPoint[Any, Any]]:
    """All declared points by name, for the catalogue and its matrix of business and extension."""
    return dict(_POINTS)
