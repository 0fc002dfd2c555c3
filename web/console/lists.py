"""Lists narrowed by what stands in their address: chips that take a filter off, pages by cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from web.console.rule_input import read_moment
from web.console.visit import Visit


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is on; removing it leads to `without`. `kind` names the badge its value is a state of."""

    label: str
    value: str
    without: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list's template needs beside its rows."""

    base: str
    query: Mapping[str, str]
    chips: tuple[Chip, ...]
    next_href: str | None = None
    first_href: str | None = None
    error: str | None = None


def asked(visit: Visit) -> dict[str, str]:
    """What the address asks; blank is nothing."""
    return {name: value.strip() for name, value in visit.request.query_params.items() if value.strip()}


def listing(
    base: str,
    query: Mapping[str, str],
    labels: Mapping[str, str],
    *,
    next_cursor: str | None,
    badges: Mapping[str, str] | None = None,
    error: str | None = None,
) -> Listing:
    """`labels` are the filters of the list with their words; `badges` those whose values are states."""
    narrowed = {name: value for name, value in query.items() if name in labels}
    chips = tuple(
        Chip(
            label,
            narrowed[name],
            link(base, {n: v for n, v in narrowed.items() if n != name}),
            (badges or {}).get(name, ""),
        )
        for name, label in labels.items()
        if name in narrowed
    )
    return Listing(
        base,
        query,
        chips,
        link(base, {**narrowed, "cursor": next_cursor}) if next_cursor else None,
        link(base, narrowed) if "cursor" in query else None,
        error,
    )


def link(base: str, query: Mapping[str, str]) -> str:
    """The address with its filters."""
    return f"{base}?{urlencode(query)}" if query else base


def stretch(visit: Visit, query: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """The days of `from` and `until`, both included, in the business's zone."""
    zone = visit.business.zone
    until = read_moment(query.get("until", ""), zone, field="until")
    return read_moment(query.get("from", ""), zone, field="from"), until + timedelta(days=1) if until else None
