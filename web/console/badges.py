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
        "chargeback_reversal": _b(Look.OK, N_("chargeback won")),
        "refund_request": _b(Look.RUN, N_("refund asked")),
        "refund_success": _b(Look.UNDO, N_("refunded")),
        "refund_failure": _b(Look.BAD, N_("refund failed")),
        "refund_reversal": _b(Look.WARN, N_("refund came back")),
        "cancel_request": _b(Look.RUN, N_("void asked")),
        "cancel_success": _b(Look.UNDO, N_("voided")),
        "cancel_failure": _b(Look.BAD, N_("void failed")),
    },
    "refund_kind": {
        "return": _b(Look.MUTE, N_("goods came back")),
        "cancellation": _b(Look.MUTE, N_("cancelled, not sent")),
        "goodwill": _b(Look.MUTE, N_("goodwill")),
        "chargeback": _b(Look.BAD, N_("taken by the bank")),
    },
    "refund": {
        "under_way": _b(Look.RUN, N_("on its way")),
        "requested": _b(Look.WAIT, N_("waits for approval")),
        "approved": _b(Look.RUN, N_("approved")),
        "processing": _b(Look.RUN, N_("being given back")),
        "succeeded": _b(Look.OK, N_("given back")),
        "refused": _b(Look.MUTE, N_("refused")),
        "failed": _b(Look.BAD, N_("failed")),
        "reversed": _b(Look.UNDO, N_("came back")),
    },
    "refund_change": {
        "requested": _b(Look.RUN, N_("asked for")),
        "approved": _b(Look.RUN, N_("approved")),
        "processing": _b(Look.RUN, N_("being given back")),
        "succeeded": _b(Look.OK, N_("given back")),
        "refused": _b(Look.MUTE, N_("refused")),
        "failed": _b(Look.BAD, N_("failed")),
        "reversed": _b(Look.UNDO, N_("came back")),
    },
    "return": {
        "requested": _b(Look.WAIT, N_("to be received")),
        "received": _b(Look.RUN, N_("received, not settled")),
        "closed": _b(Look.OK, N_("settled")),
        "refused": _b(Look.MUTE, N_("refused")),
    },
    "fulfilment": {
        "nothing_to_fulfil": _b(Look.MUTE, N_("nothing to hand over")),
        "unfulfilled": _b(Look.RUN, N_("not handed over")),
        "partly_fulfilled": _b(Look.RUN, N_("partly handed over")),
        "fulfilled": _b(Look.OK, N_("handed over")),
        "handed_over": _b(Look.OK, N_("handed over")),
        "cancelled": _b(Look.MUTE, N_("cancelled")),
    },
    "return_state": {
        "none": _b(Look.MUTE, N_("nothing returned")),
        "partly_returned": _b(Look.UNDO, N_("partly returned")),
        "returned": _b(Look.UNDO, N_("returned")),
    },
    "refund_state": {
        "none": _b(Look.MUTE, N_("nothing refunded")),
        "partly_refunded": _b(Look.UNDO, N_("partly refunded")),
        "refunded": _b(Look.UNDO, N_("refunded")),
    },
    "due": {
        "open": _b(Look.WAIT, N_("open")),
        "collecting": _b(Look.RUN, N_("being collected")),
        "paid": _b(Look.OK, N_("paid")),
        "cancelled": _b(Look.MUTE, N_("cancelled")),
        "written_off": _b(Look.WARN, N_("written off")),
    },
    "yes_no": {
        "yes": _b(Look.WARN, N_("yes")),
        "no": _b(Look.MUTE, N_("no")),
    },
    "buyer": {
        "active": _b(Look.OK, N_("active")),
        "suspended": _b(Look.WARN, N_("suspended")),
        "erased": _b(Look.MUTE, N_("erased")),
    },
    "tier": {
        "standard": _b(Look.MUTE, N_("Standard")),
        "silver": _b(Look.MUTE, N_("Silver")),
        "gold": _b(Look.OK, N_("Gold")),
        "vip": _b(Look.OK, N_("VIP")),
    },
    "consent": {
        "given": _b(Look.OK, N_("agreed")),
        "withdrawn": _b(Look.MUTE, N_("withdrawn")),
        "never_asked": _b(Look.MUTE, N_("never asked")),
    },
    "approval": {
        "open": _b(Look.WAIT, N_("waits for approval")),
        "approve": _b(Look.OK, N_("approved")),
        "refuse": _b(Look.WARN, N_("refused")),
        "over": _b(Look.MUTE, N_("asked no more")),
    },
    "campaign": {
        "draft": _b(Look.MUTE, N_("draft")),
        "scheduled": _b(Look.RUN, N_("scheduled")),
        "live": _b(Look.OK, N_("live")),
        "paused": _b(Look.WAIT, N_("paused")),
        "ended": _b(Look.MUTE, N_("ended")),
    },
    "lot": {
        "making": _b(Look.RUN, N_("being made")),
        "ready": _b(Look.OK, N_("ready")),
        "void": _b(Look.MUTE, N_("void")),
    },
    "coupon": {
        "active": _b(Look.OK, N_("active")),
        "paused": _b(Look.WAIT, N_("paused")),
        "used_up": _b(Look.WARN, N_("used up")),
        "expired": _b(Look.MUTE, N_("expired")),
        "not_yet_valid": _b(Look.RUN, N_("not valid yet")),
        "wrong_buyer": _b(Look.MUTE, N_("for somebody else")),
        "void": _b(Look.MUTE, N_("void")),
    },
    "claim": {
        "held": _b(Look.RUN, N_("held")),
        "secured": _b(Look.RUN, N_("secured")),
        "redeemed": _b(Look.OK, N_("used")),
        "released": _b(Look.UNDO, N_("released")),
        "expired": _b(Look.MUTE, N_("expired")),
        "returned": _b(Look.UNDO, N_("came back")),
    },
    "price_list": {
        "in_force": _b(Look.OK, N_("in force")),
        "ahead": _b(Look.RUN, N_("scheduled")),
        "over": _b(Look.MUTE, N_("over")),
        "off": _b(Look.MUTE, N_("switched off")),
    },
    "gift_card": {
        "active": _b(Look.OK, N_("active")),
        "frozen": _b(Look.WARN, N_("frozen")),
        "expired": _b(Look.MUTE, N_("expired")),
    },
    "phase": {
        "single": _b(Look.OK, N_("posted")),
        "pending": _b(Look.RUN, N_("reserved")),
        "post": _b(Look.OK, N_("reservation posted")),
        "void": _b(Look.UNDO, N_("reservation voided")),
        "expire": _b(Look.MUTE, N_("reservation expired")),
    },
    "batch": {
        "planned": _b(Look.WAIT, N_("waits for an approver")),
        "approved": _b(Look.RUN, N_("being paid")),
        "closed": _b(Look.OK, N_("closed")),
    },
    "payout": {
        "planned": _b(Look.WAIT, N_("planned")),
        "approved": _b(Look.RUN, N_("approved")),
        "sent": _b(Look.RUN, N_("sent to the bank")),
        "paid": _b(Look.OK, N_("paid")),
        "failed": _b(Look.BAD, N_("failed")),
        "withdrawn": _b(Look.MUTE, N_("withdrawn")),
    },
    "seller_transfer": {
        "waiting": _b(Look.RUN, N_("not due yet")),
        "due": _b(Look.WAIT, N_("due")),
        "claimed": _b(Look.RUN, N_("in a payout")),
        "paid": _b(Look.OK, N_("paid")),
    },
    "seller_transfer_kind": {
        "earning": _b(Look.OK, N_("earned")),
        "reversal": _b(Look.UNDO, N_("taken back by a refund")),
        "reinstatement": _b(Look.OK, N_("given again, the refund came back")),
        "reserve": _b(Look.WAIT, N_("kept in reserve")),
        "reserve_release": _b(Look.OK, N_("released from the reserve")),
        "adjustment": _b(Look.WARN, N_("adjusted")),
    },
    "dispute": {
        "open": _b(Look.WAIT, N_("undecided")),
        "won": _b(Look.OK, N_("won")),
        "lost": _b(Look.BAD, N_("lost")),
    },
    "standing": {
        "matched": _b(Look.OK, N_("matched")),
        "parked": _b(Look.WAIT, N_("parked")),
        "mistake": _b(Look.BAD, N_("mistake")),
    },
    "mistake": {
        "missing_at_provider": _b(Look.BAD, N_("missing at the provider")),
        "missing_here": _b(Look.BAD, N_("missing here")),
        "amount": _b(Look.BAD, N_("other amount")),
        "fee": _b(Look.BAD, N_("other fee")),
        "status": _b(Look.BAD, N_("other status")),
        "duplicate": _b(Look.BAD, N_("more than once")),
        "currency": _b(Look.BAD, N_("other currency")),
    },
    "side": {
        "platform": _b(Look.MUTE, N_("our order")),
        "provider": _b(Look.MUTE, N_("payment provider")),
        "provider_payout": _b(Look.MUTE, N_("provider's payout")),
        "bank": _b(Look.MUTE, N_("bank")),
    },
    "recon_kind": {
        "charge": _b(Look.OK, N_("charge")),
        "refund": _b(Look.UNDO, N_("refund")),
        "refund_reversal": _b(Look.WARN, N_("refund came back")),
        "chargeback": _b(Look.BAD, N_("chargeback")),
        "payout": _b(Look.OK, N_("payout to the bank")),
    },
    "statement_kind": {
        "provider": _b(Look.MUTE, N_("payment provider")),
        "bank": _b(Look.MUTE, N_("bank")),
    },
    "source": {
        "card": _b(Look.MUTE, N_("card")),
        "gift_card": _b(Look.MUTE, N_("gift card")),
        "points": _b(Look.MUTE, N_("points")),
        "wallet": _b(Look.MUTE, N_("wallet")),
    },
    "provider_event": {
        "waiting": _b(Look.WAIT, N_("waits for its payment")),
        "applied": _b(Look.OK, N_("applied")),
        "ignored": _b(Look.MUTE, N_("of no meaning here")),
    },
    "endpoint": {
        "enabled": _b(Look.OK, N_("sent to")),
        "disabled": _b(Look.MUTE, N_("paused")),
    },
    "delivery": {
        "pending": _b(Look.RUN, N_("being sent")),
        "delivered": _b(Look.OK, N_("taken")),
        "failed": _b(Look.BAD, N_("given up")),
    },
    "only": {
        "1": _b(Look.MUTE, N_("only these")),
    },
    "taken": {
        "me": _b(Look.MUTE, N_("me")),
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
