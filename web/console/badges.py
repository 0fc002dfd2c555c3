"""State badges: for every status of every state machine a shape, a word and a colour role; the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from web.console.texts import N_


class Look(StrEnum):
    """Colour role and shape; both say the same, so colour is never alone."""

    OK = "ok"
    RUN = "run"
    WAIT = "wait"
    WARN = "warn"
    BAD = "bad"
    UNDO = "undo"
    MUTE = "mute"


SHAPES = {
    Look.OK: "●",
    Look.RUN: "◐",
    Look.WAIT: "◇",
    Look.WARN: "▲",
    Look.BAD: "■",
    Look.UNDO: "↺",
    Look.MUTE: "○",
}


@dataclass(frozen=True, slots=True)
class Badge:
    look: Look
    word: str

    @property
    def shape(self) -> str:
        return SHAPES[self.look]


def _b(look: Look, word: str) -> Badge:
    return Badge(look, word)


BADGES: dict[str, dict[str, Badge]] = {
    "order": {
        "placed": _b(Look.RUN, N_("placed")),
        "on_hold": _b(Look.WAIT, N_("in review")),
        "confirmed": _b(Look.OK, N_("confirmed")),
        "refused": _b(Look.MUTE, N_("refused")),
        "cancelled": _b(Look.MUTE, N_("cancelled")),
        "expired": _b(Look.MUTE, N_("expired")),
    },
    "reservation": {
        "held": _b(Look.RUN, N_("held")),
        "secured": _b(Look.RUN, N_("secured")),
        "committed": _b(Look.OK, N_("committed")),
        "released": _b(Look.UNDO, N_("released")),
        "expired": _b(Look.MUTE, N_("expired")),
    },
    "coupon_use": {
        "applied": _b(Look.OK, N_("applied")),
        "not_applicable": _b(Look.MUTE, N_("does not apply")),
        "unknown": _b(Look.MUTE, N_("unknown code")),
        "inactive": _b(Look.MUTE, N_("not active")),
        "used_up": _b(Look.WARN, N_("used up")),
    },
    "outcome": {
        "applied": _b(Look.OK, N_("applied")),
        "capped": _b(Look.WARN, N_("capped")),
        "excluded": _b(Look.MUTE, N_("excluded")),
        "lost_in_group": _b(Look.MUTE, N_("beaten by a better one")),
        "no_room": _b(Look.MUTE, N_("no room left")),
        "no_coupon": _b(Look.MUTE, N_("no coupon")),
    },
    "draft": {
        "open": _b(Look.RUN, N_("draft")),
        "in_review": _b(Look.WAIT, N_("in review")),
        "sent_back": _b(Look.WARN, N_("sent back")),
    },
    "release": {
        "live": _b(Look.OK, N_("live")),
        "superseded": _b(Look.MUTE, N_("superseded")),
        "rolled_back": _b(Look.UNDO, N_("rolled back")),
        "none": _b(Look.MUTE, N_("nothing published")),
    },
    "severity": {
        "block": _b(Look.BAD, N_("must be mended")),
        "warn": _b(Look.WARN, N_("look again")),
        "hint": _b(Look.MUTE, N_("hint")),
    },
}
"""By kind of thing, then by status. A test walks every state machine and asks for its badge in both languages."""


def badge_of(kind: str, value: str) -> Badge:
    """The badge; a status nobody has drawn yet still shows itself, muted, instead of breaking the page."""
    return BADGES.get(kind, {}).get(str(value)) or Badge(Look.MUTE, str(value).replace("_", " "))
