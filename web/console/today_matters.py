"""One item of Today, whoever puts it there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that asks for a person: same cause, one matter. `until` is when it will be wrong, in words."""

    look: str
    kind: str
    count: int
    about: str
    detail: str
    since: datetime | None
    href: str
    until: str = ""
