"""Signatures of messages: Standard Webhooks and Stripe's scheme. Whoever cannot sign is not heard; the old is not heard again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, RefusedError

TOLERANCE_S = 300
"""How far a message's own time may be from ours, before or after."""


def checked_body(secret: str, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
    """Id and content of a message signed after Standard Webhooks; `RefusedError` where it is not."""
    named = {name.lower(): value for name, value in headers.items()}
    try:
        Webhook(secret).verify(body, named)
    except WebhookVerificationError as error:
        raise not_signed(str(error)) from error
    except (UnicodeDecodeError, ValueError) as error:
        raise not_signed("It cannot be read.") from error
    # the library looks at its own clock; ours is the one that tests and records go by
    _in_time(float(named["webhook-timestamp"]))
    return named["webhook-id"], json_object(body)


def stripe_signature(secret: str, body: bytes, at: datetime) -> str:
    """The `Stripe-Signature` header of a body."""
    moment = int(at.timestamp())
    return f"t={moment},v1={_stripe_digest(secret, moment, body)}"


def checked_stripe_body(secret: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The content of a message signed after Stripe's scheme: HMAC-SHA256 over time and body, any of its `v1` parts."""
    header = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), "")
    parts = [part.split("=", 1) for part in header.split(",") if "=" in part]
    moments = [value for name, value in parts if name.strip() == "t" and value.isdecimal() and len(value) < 16]
    if len(moments) != 1:
        raise not_signed("There is no Stripe-Signature.")
    expected = _stripe_digest(secret, int(moments[0]), body)
    given = [value for name, value in parts if name.strip() == "v1"]
    if not any(hmac.compare_digest(expected.encode(), value.encode()) for value in given):
        raise not_signed("The signature is another one.")
    _in_time(int(moments[0]))
    return json_object(body)


def _stripe_digest(secret: str, moment: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def _in_time(moment: float) -> None:
    if abs(now().timestamp() - moment) > TOLERANCE_S:
        raise RefusedError(
            "payment.message_too_old",
            f"The message's time is more than {TOLERANCE_S // 60} minutes from ours.",
            mend="Send it anew, signed with the time of sending; is the clock right?",
        )


def json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; `InvalidError` where it is none."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise unreadable()
    return found


def unreadable() -> InvalidError:
    """What a message is answered that is signed, and cannot be meant."""
    return InvalidError("payment.message_unreadable", "The message is not what the provider's messages are like.")


def not_signed(why: str) -> RefusedError:
    """What a message is answered that is not the provider's own."""
    return RefusedError(
        "payment.signature_invalid",
        f"This message is not signed as it should be: {why}",
        mend="Sign it with the endpoint's secret, over the very bytes that are sent.",
    )
