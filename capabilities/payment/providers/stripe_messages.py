"""What Stripe tells by itself, read: signature checked, and each kind of event as what it says of a payment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from capabilities.kernel.errors import MissingError
from capabilities.payment.contract import PaymentEventKind
from capabilities.payment.providers.protocol import ProviderEffect, ProviderMessage
from capabilities.payment.providers.signatures import checked_stripe_body, unreadable

PROVIDER = "stripe"
K = PaymentEventKind
Effect = dict[str, Any]


def read_stripe(secret: str | None, headers: Mapping[str, str], body: bytes) -> ProviderMessage:
    """A message of Stripe. An event of no meaning here has no effect."""
    if secret is None:
        raise MissingError(
            "payment.webhooks_off",
            "Messages of Stripe are not taken here.",
            mend="Set ZHONGTAI_STRIPE_WEBHOOK_SECRET to the secret of the endpoint.",
        )
    content = checked_stripe_body(secret, headers, body)
    try:
        at = datetime.fromtimestamp(int(content["created"]), UTC)
        thing = content["data"]["object"]
        told = EVENTS.get(str(content["type"]), _nothing)(thing)
        effect = None
        if told is not None:
            effect = ProviderEffect(
                occurred_at=at, currency=str(thing["currency"]).upper(), provider_id=thing["id"], **told
            )
        return ProviderMessage(
            provider=PROVIDER,
            message_id=content["id"],
            type=content["type"],
            occurred_at=at,
            body_sha256=hashlib.sha256(body).hexdigest(),
            business=_metadata(thing).get("business"),
            payment_ref=_metadata(thing).get("payment_id") or _intent_of(thing),
            effect=effect,
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise unreadable() from error


def _metadata(thing: dict[str, Any]) -> dict[str, str]:
    return thing.get("metadata") or {}


def _intent_of(thing: dict[str, Any]) -> str | None:
    if thing.get("object") == "payment_intent":
        return str(thing["id"])
    about = thing.get("payment_intent")
    return about if isinstance(about, str) or about is None else str(about["id"])


def _nothing(thing: dict[str, Any]) -> Effect | None:
    del thing
    return None


def _authorized(thing: dict[str, Any]) -> Effect:
    return _of_key(thing, K.AUTHORIZATION_SUCCESS, thing["amount_capturable"])


def _declined(thing: dict[str, Any]) -> Effect:
    last = thing.get("last_payment_error") or {}
    reason = last.get("decline_code") or last.get("code")
    return _of_key(thing, K.AUTHORIZATION_FAILURE, thing["amount"]) | {"reason": reason}


def _captured(thing: dict[str, Any]) -> Effect:
    key = _metadata(thing).get("capture_key") or thing["id"]
    return {"kind": K.CHARGE_SUCCESS, "reference": key, "amount_minor": thing["amount_received"]}


def _cancelled(thing: dict[str, Any]) -> Effect | None:
    """Only what Stripe withdraws by itself, such as an authorization that ran out: ours was answered when we asked."""
    if thing.get("cancellation_reason") != "automatic":
        return None
    return {"kind": K.CANCEL_SUCCESS, "reference": thing["id"], "amount_minor": thing["amount"], "reason": "expired"}


def _refund(thing: dict[str, Any]) -> Effect | None:
    kind = {"succeeded": K.REFUND_SUCCESS, "failed": K.REFUND_FAILURE, "canceled": K.REFUND_FAILURE}.get(
        thing.get("status", "")
    )
    if kind is None:
        return None
    return _of_key(thing, kind, thing["amount"]) | {"reason": thing.get("failure_reason")}


def _charged_back(thing: dict[str, Any]) -> Effect:
    reason = thing.get("reason")
    return {"kind": K.CHARGEBACK, "reference": thing["id"], "amount_minor": thing["amount"], "reason": reason}


def _reinstated(thing: dict[str, Any]) -> Effect:
    """The dispute was won: under its own id, so that it takes back that chargeback."""
    return {"kind": K.CHARGEBACK_REVERSAL, "reference": thing["id"], "amount_minor": thing["amount"]}


def _dispute(told: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], Effect]:
    def read(thing: dict[str, Any]) -> Effect:
        same = {"reference": thing["id"], "amount_minor": thing["amount"], "reason": thing.get("reason")}
        return {"kind": None, "told": told(thing), **same}

    return read


def _of_key(thing: dict[str, Any], kind: PaymentEventKind, amount_minor: int) -> Effect:
    return {"kind": kind, "reference": _metadata(thing).get("key") or thing["id"], "amount_minor": amount_minor}


EVENTS: Mapping[str, Callable[[dict[str, Any]], Effect | None]] = {
    "payment_intent.amount_capturable_updated": _authorized,
    "payment_intent.payment_failed": _declined,
    "payment_intent.succeeded": _captured,
    "payment_intent.canceled": _cancelled,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.refund.updated": _refund,
    "charge.dispute.created": _dispute(lambda _: "payment.dispute_opened"),
    "charge.dispute.funds_withdrawn": _charged_back,
    "charge.dispute.funds_reinstated": _reinstated,
    "charge.dispute.closed": _dispute(lambda thing: f"payment.dispute_{thing.get('status', 'closed')}"),
}
"""A dispute takes money when its funds are withdrawn; and gives it back when they are reinstated; that it was opened or
closed is told and moves nothing."""
