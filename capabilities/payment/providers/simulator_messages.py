"""What the simulator tells by itself: signed messages after Standard Webhooks, from its own outgoing post.

A message is written in the transaction of what it tells, with the moment from which it is due; `post_due` sends what is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks.webhooks import Webhook

from capabilities.kernel.clock import now
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.settings import settings
from capabilities.payment.contract import Contract, PaymentEventKind
from capabilities.payment.models import SimulatedActRow, SimulatedMessageRow
from capabilities.payment.providers.faults import Script
from capabilities.payment.providers.protocol import (
    Action,
    Outcome,
    ProviderEffect,
    ProviderMessage,
    ProviderReport,
)
from capabilities.payment.providers.signatures import checked_body, unreadable

CHARGEBACK = "chargeback"
CHARGEBACK_WON = "chargeback_reversal"
REVERSAL = "refund_reversal"
PROVIDER = "simulator"
AT_ONCE = 100
BACK_OFF_S = 5.0
MOST_ATTEMPTS = 12
"""How often a message is sent that is not taken; each time the wait doubles."""

K = PaymentEventKind
Post = Callable[[dict[str, str], bytes], int]
"""Sends headers and body to our endpoint; the answer's status."""

KINDS: Mapping[str, PaymentEventKind] = {
    "authorization.succeeded": K.AUTHORIZATION_SUCCESS,
    "authorization.declined": K.AUTHORIZATION_FAILURE,
    "capture.succeeded": K.CHARGE_SUCCESS,
    "capture.declined": K.CHARGE_FAILURE,
    "void.succeeded": K.CANCEL_SUCCESS,
    "void.declined": K.CANCEL_FAILURE,
    "refund.succeeded": K.REFUND_SUCCESS,
    "refund.declined": K.REFUND_FAILURE,
    "refund.reversed": K.REFUND_REVERSAL,
    "chargeback.opened": K.CHARGEBACK,
    "chargeback.won": K.CHARGEBACK_REVERSAL,
}
NAMES = {Action.AUTHORIZE: "authorization", Action.CAPTURE: "capture", Action.VOID: "void", Action.REFUND: "refund"}


def secret() -> str:
    """The secret its messages are signed with: made of the installation's own, so that both sides of a demo have it."""
    own = settings().secret_key
    if own is None:
        raise UnavailableError(
            "payment.webhooks_off",
            "The simulator signs its messages with a secret made of this installation's.",
            mend="Set ZHONGTAI_SECRET_KEY.",
        )
    digest = hashlib.sha256(f"messages of the payment simulator\x1f{own}".encode()).digest()
    return "whsec_" + base64.b64encode(digest).decode()


# --- telling ----------------------------------------------------------------------------------------------------


def announce(session: Session, act: SimulatedActRow, report: ProviderReport, script: Script) -> None:
    """Write the messages that follow from an act, and what comes back by itself later."""
    done = report.outcome is Outcome.SUCCEEDED
    name = f"{NAMES[report.action]}.{'succeeded' if done else 'declined'}"
    # of two orders of one payment the later one's message comes first
    jitter = -1.0 if script.shuffles and report.action is not Action.AUTHORIZE else 0.0
    due = act.answers_at + timedelta(seconds=script.hook_late_s + (2.0 if script.shuffles else 0.0) + jitter)
    _write(session, act, _News(name, act.key, act.amount_minor, act.done_at, due, act.reason), script.copies)
    if done and report.action is Action.CAPTURE and script.chargeback_s is not None:
        at = act.done_at + timedelta(seconds=script.chargeback_s)
        back = _back(session, act, CHARGEBACK, at)
        news = _News("chargeback.opened", back, act.amount_minor, at, at, "fraudulent")
        _write(session, act, news, script.copies)
    if done and report.action is Action.REFUND and script.reversal_s is not None:
        at = act.done_at + timedelta(seconds=script.reversal_s)
        back = _back(session, act, REVERSAL, at)
        news = _News("refund.reversed", back, act.amount_minor, at, at, "account_closed", about=act.key)
        _write(session, act, news, script.copies)


def charge_back(session: Session, payment_id: str, amount_minor: int, *, reason: str = "fraudulent") -> str:
    """The buyer's bank takes so much of a captured payment back now; the key of the chargeback."""
    act = session.scalars(
        select(SimulatedActRow)
        .where(
            SimulatedActRow.payment_id == payment_id,
            SimulatedActRow.action == Action.CAPTURE.value,
            SimulatedActRow.outcome == Outcome.SUCCEEDED.value,
        )
        .limit(1)
    ).one()
    at = now()
    key = _back(session, act, CHARGEBACK, at, amount_minor)
    _write(session, act, _News("chargeback.opened", key, amount_minor, at, at, reason), copies=1)
    return key


def let_chargeback_be_won(session: Session, key: str) -> None:
    """The buyer's bank gives a chargeback back now. It is told under the chargeback's own key, as disputes are."""
    act = session.get_one(SimulatedActRow, key)
    at = now()
    back = _back(session, act, CHARGEBACK_WON, at, about=key)
    _write(session, act, _News("chargeback.won", key, act.amount_minor, at, at, None, about=back), copies=1)


def tell(session: Session, *, business: str, type: str, body: dict[str, Any], due_at: datetime | None = None) -> str:  # noqa: A002 - the word of Standard Webhooks
    """Put any message into the post, such as one of a type nobody knows; its id."""
    message_id = derived_id("msg", business, type, orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode())
    _post(session, message_id, business, type, body, due_at or now(), 1)
    return message_id


def _back(
    session: Session,
    act: SimulatedActRow,
    action: str,
    at: datetime,
    amount_minor: int | None = None,
    *,
    about: str | None = None,
) -> str:
    """What comes back by itself stands in the books as an act that nobody sent; `about` is what it takes back."""
    key = derived_id("sbk", act.key, action, str(at.timestamp()))
    session.execute(
        insert(SimulatedActRow)
        .values(
            key=key,
            business=act.business,
            action=action,
            payment_id=act.payment_id,
            authorization_key=about or act.authorization_key,
            amount_minor=act.amount_minor if amount_minor is None else amount_minor,
            currency=act.currency,
            method=act.method,
            outcome=Outcome.SUCCEEDED.value,
            reason=None,
            calls=0,
            acts=1,
            done_at=at,
            answers_at=at,
        )
        .on_conflict_do_nothing()
    )
    return key


@dataclass(frozen=True, slots=True)
class _News:
    """What a message tells; `about` is the key of what is taken back."""

    name: str
    key: str
    amount_minor: int
    at: datetime
    due_at: datetime
    reason: str | None
    about: str | None = None


def _write(session: Session, act: SimulatedActRow, news: _News, copies: int) -> None:
    body = {
        "type": news.name,
        "timestamp": news.at.isoformat(),
        "data": {
            "business": act.business,
            "payment_id": act.payment_id,
            "reference": news.key,
            "about": news.about,
            "amount_minor": news.amount_minor,
            "currency": act.currency,
            "reason": news.reason,
            "provider_id": derived_id("sim", news.key),
        },
    }
    _post(session, derived_id("msg", news.name, news.key), act.business, news.name, body, news.due_at, copies)


def _post(
    session: Session, message_id: str, business: str, name: str, body: dict[str, Any], due_at: datetime, copies: int
) -> None:
    values = {"id": message_id, "business": business, "type": name, "body": body, "due_at": due_at}
    made = insert(SimulatedMessageRow).values(**values, copies_left=copies, attempts=0, answered=None)
    session.execute(made.on_conflict_do_nothing())


# --- sending ----------------------------------------------------------------------------------------------------


def post_due(sessions: sessionmaker[Session], post: Post, *, at: datetime | None = None) -> int:
    """Send what is due, the earliest first; how many were taken. What is not taken is sent again later."""
    moment = at or now()
    taken = 0
    for _ in range(AT_ONCE):
        with sessions.begin() as session:
            message = session.scalars(
                select(SimulatedMessageRow)
                .where(SimulatedMessageRow.copies_left > 0, SimulatedMessageRow.due_at <= moment)
                .order_by(SimulatedMessageRow.due_at, SimulatedMessageRow.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).one_or_none()
            if message is None:
                return taken
            taken += _send(message, post)
    return taken


def _send(message: SimulatedMessageRow, post: Post) -> int:
    body = orjson.dumps(message.body)
    message.attempts += 1
    try:
        message.answered = post(signed(message.id, body, now()), body)
    except OSError:
        message.answered = None
    if message.answered is not None and 200 <= message.answered < 300:
        message.copies_left -= 1
        return 1
    if message.attempts >= MOST_ATTEMPTS:
        message.copies_left = 0
    message.due_at = now() + timedelta(seconds=BACK_OFF_S * 2 ** min(message.attempts, 10))
    return 0


def signed(message_id: str, body: bytes, at: datetime) -> dict[str, str]:
    """The headers of a message after Standard Webhooks."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret()).sign(message_id, at, body.decode()),
    }


# --- reading: our side ------------------------------------------------------------------------------------------


class _Data(Contract):
    """The data of a message that says something of a payment."""

    business: str
    payment_id: str
    reference: str
    about: str | None = None
    amount_minor: int
    currency: str
    reason: str | None = None
    provider_id: str | None = None


class _Told(Contract):
    type: str
    timestamp: datetime
    data: _Data


def read_simulated(headers: Mapping[str, str], body: bytes) -> ProviderMessage:
    """A message of the simulator, its signature checked. A type that is not known here has no effect."""
    message_id, content = checked_body(secret(), headers, body)
    same = {"provider": PROVIDER, "message_id": message_id, "body_sha256": hashlib.sha256(body).hexdigest()}
    kind = KINDS.get(str(content.get("type")))
    try:
        if kind is None:
            return ProviderMessage(**same, type=str(content.get("type", "")), occurred_at=now())
        told = _Told.model_validate(content)
        effect = ProviderEffect(
            kind=kind,
            occurred_at=told.timestamp,
            **told.data.model_dump(exclude={"business", "payment_id"}),
        )
        return ProviderMessage(
            **same,
            type=told.type,
            occurred_at=told.timestamp,
            business=told.data.business,
            payment_ref=told.data.payment_id,
            effect=effect,
        )
    except ValidationError as error:
        raise unreadable() from error
