"""A parcel as it is asked about: where to, how heavy, how large. The price of it, the platform says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

COUNTRIES = ("DE", "AT", "BE", "CN", "CZ", "DK", "FR", "LU", "NL", "PL")
"""Where parcels go."""
ISLANDS = frozenset(
    [
        "18565",
        "25845",
        "25846",
        "25847",
        "25849",
        "25859",
        "25863",
        "25869",
        "25938",
        "25946",
        "25952",
        "25980",
        "25992",
        "25996",
        "25997",
        "25999",
        "26465",
        "26474",
        "26486",
        "26548",
        "26571",
        "26579",
        "26757",
        "27498",
    ]
)
"""Postcodes that a ferry or a plane goes to."""
CM3_PER_KG = 5_000
"""What is large and light is charged as if so much of it weighed a kilogram."""
LONGEST_CM = 200
POSTCODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{2,9}")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a form says, as text; `problems` names the fields that cannot be meant."""

    country: str = "DE"
    postcode: str = "10115"
    weight: str = "3"
    length: str = "40"
    width: str = "30"
    height: str = "20"

    @property
    def kilograms(self) -> int:
        """Started kilograms of the weight, or of the size where that says more."""
        return max(1, math.ceil(self._weight()), math.ceil(self.by_size))

    @property
    def by_size(self) -> Decimal:
        sides = [_number(side) or Decimal() for side in (self.length, self.width, self.height)]
        return sides[0] * sides[1] * sides[2] / CM3_PER_KG

    @property
    def is_by_size(self) -> bool:
        """Whether the size decides and not the weight."""
        return math.ceil(self.by_size) > math.ceil(self._weight())

    @property
    def zone(self) -> str:
        """The part of a service's sku that says where to: the country itself, its islands, or its neighbours."""
        if self.country == "DE":
            return "ISL" if self.postcode.replace(" ", "") in ISLANDS else "DE"
        return "CN" if self.country == "CN" else "EU"

    @property
    def problems(self) -> tuple[str, ...]:
        found = [name for name in ("weight", "length", "width", "height") if not _is_meant(name, getattr(self, name))]
        if not POSTCODE.fullmatch(self.postcode) or (
            self.country == "DE" and not re.fullmatch(r"\d{5}", self.postcode)
        ):
            found.append("postcode")
        return tuple(found)

    @property
    def query(self) -> str:
        """The parcel as the query of a page."""
        names = ("country", "postcode", "weight", "length", "width", "height")
        return urlencode({name: getattr(self, name) for name in names})

    @property
    def size(self) -> str:
        return f"{self.length} × {self.width} × {self.height} cm"

    def _weight(self) -> Decimal:
        return _number(self.weight) or Decimal()


def parcel_of(asked: Mapping[str, Any]) -> Parcel:
    """The parcel a form or a query tells of; what it does not say is as usual."""
    usual = Parcel()
    country = str(asked.get("country", usual.country))
    told = {
        name: str(asked.get(name, getattr(usual, name))).strip()[:10].replace(",", ".")
        for name in ("postcode", "weight", "length", "width", "height")
    }
    return Parcel(country=country if country in COUNTRIES else usual.country, **told)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _is_meant(name: str, text: str) -> bool:
    number = _number(text)
    most = 1_000 if name == "weight" else LONGEST_CM
    return number is not None and 0 < number <= most
