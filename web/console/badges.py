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
        "draft": _b(Look.MUTE, N_("draft")),
        "placed": _b(Look.RUN, N_("placed")),
        "on_hold": _b(Look.WAIT, N_("in review")),
        "confirmed": _b(Look.OK, N_("confirmed")),
        "fulfilled": _b(Look.OK, N_("fulfilled")),
        "completed": _b(Look.OK, N_("completed")),
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
        "gave_nothing": _b(Look.MUTE, N_("gave nothing")),
        "limit_used_up": _b(Look.MUTE, N_("limit used up")),
        "budget_used_up": _b(Look.MUTE, N_("budget used up")),
        "awaits_choice": _b(Look.MUTE, N_("waits for a choice")),
        "not_matched": _b(Look.MUTE, N_("does not apply")),
        "outside_window": _b(Look.MUTE, N_("not in force then")),
        "outside_traffic": _b(Look.MUTE, N_("not for this buyer")),
        "disabled": _b(Look.MUTE, N_("switched off")),
    },
    "payment": {
        "nothing_due": _b(Look.OK, N_("nothing due")),
        "pending": _b(Look.RUN, N_("pending")),
        "declined": _b(Look.MUTE, N_("declined")),
        "authorized": _b(Look.RUN, N_("authorized")),
        "captured": _b(Look.OK, N_("captured")),
        "partly_refunded": _b(Look.UNDO, N_("partly refunded")),
        "refunded": _b(Look.UNDO, N_("refunded")),
        "voided": _b(Look.UNDO, N_("voided")),
    },
    "payment_event": {
        "authorization_request": _b(Look.RUN, N_("authorization asked")),
        "authorization_success": _b(Look.OK, N_("authorized")),
        "authorization_failure": _b(Look.BAD, N_("authorization declined")),
        "authorization_adjustment": _b(Look.RUN, N_("authorization changed")),
        "charge_request": _b(Look.RUN, N_("capture asked")),
        "charge_success": _b(Look.OK, N_("captured")),
        "charge_failure": _b(Look.BAD, N_("capture failed")),
        "chargeback": _b(Look.BAD, N_("charged back")),
        "refund_request": _b(Look.RUN, N_("refund asked")),
        "refund_success": _b(Look.UNDO, N_("refunded")),
        "refund_failure": _b(Look.BAD, N_("refund failed")),
        "refund_reversal": _b(Look.WARN, N_("refund came back")),
        "cancel_request": _b(Look.RUN, N_("void asked")),
        "cancel_success": _b(Look.UNDO, N_("voided")),
        "cancel_failure": _b(Look.BAD, N_("void failed")),
    },
    "commission": {
        "frozen": _b(Look.OK, N_("frozen")),
        "cancelled": _b(Look.UNDO, N_("cancelled")),
    },
    "run": {
        "starting": _b(Look.RUN, N_("starting")),
        "running": _b(Look.RUN, N_("running")),
        "waiting": _b(Look.WAIT, N_("waiting")),
        "stuck": _b(Look.BAD, N_("stuck")),
        "undoing": _b(Look.UNDO, N_("undoing")),
        "ended": _b(Look.OK, N_("ended")),
    },
    "step": {
        "started": _b(Look.RUN, N_("asked, no answer yet")),
        "done": _b(Look.OK, N_("done")),
        "waited": _b(Look.OK, N_("waited")),
        "refused": _b(Look.WARN, N_("refused")),
        "rolled_back": _b(Look.UNDO, N_("rolled back")),
        "failed": _b(Look.BAD, N_("failed")),
        "skipped": _b(Look.WARN, N_("skipped by a person")),
    },
    "submission": {
        "waiting": _b(Look.WAIT, N_("waits for an approver")),
        "approved": _b(Look.OK, N_("approved")),
        "sent_back": _b(Look.WARN, N_("sent back")),
        "voided": _b(Look.MUTE, N_("changed since, void")),
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
