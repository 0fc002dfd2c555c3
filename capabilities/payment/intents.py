"""Asking a provider in three parts: `intend_…` writes what will be asked, `ask` asks, `record_answer` writes the answer.

`ask` runs outside of any transaction and may run again: an order that may have been sent is looked up before it is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.settings import settings
from capabilities.payment.contract import Contract, Payment, PaymentEvent, PaymentEventKind, PreparePayment
from capabilities.payment.extensions import find_provider
from capabilities.payment.fold import AUTHORIZATION, CANCEL, CHARGE, REFUND, Act, amounts, open_references
from capabilities.payment.providers.calling import look_up, send
from capabilities.payment.providers.protocol import Action, Outcome, Provider, ProviderCall, ProviderReport
from capabilities.payment.queries import payment_of
from capabilities.payment.service import Origin, lock_payment, prepare_payment, record_reports, record_request

K = PaymentEventKind


class Intent(Contract):
    """What will be asked. `open_calls` were sent earlier and not answered; they are asked after, not sent.

    `may_be_sent`: an earlier attempt may have sent `call`. `gives_up_at`: what the provider never heard of until then
    is withdrawn, so that it cannot happen later.
    """

    payment_id: str | None
    provider: str = ""
    call: ProviderCall | None = None
    may_be_sent: bool = False
    open_calls: tuple[ProviderCall, ...] = ()
    gives_up_at: datetime | None = None


class Answer(Contract):
    """What the provider said; nothing where it did not answer in time."""

    reports: tuple[ProviderReport, ...] = ()


NOTHING_TO_ASK = Intent(payment_id=None)
NEVER_ARRIVED = "never_arrived"


class PaymentStand(StrEnum):
    """Where a payment stands, for the process that asked."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    DECLINED = "declined"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOTHING = "nothing"


# --- intents: in a transaction ----------------------------------------------------------------------------------


def intend_authorization(session: Session, request: PreparePayment, *, key: str, origin: Origin) -> Intent:
    """Ask for the whole amount. Nothing is asked where nothing is due or it is authorized or charged already."""
    row = prepare_payment(session, request)
    payment = payment_of(session, row.id)
    if row.amount_minor == 0 or payment.amounts.authorized_minor > 0 or _was_charged(payment):
        return Intent(payment_id=row.id)
    return _order(session, payment, Action.AUTHORIZE, AUTHORIZATION, row.amount_minor, key, origin)


def intend_capture(session: Session, payment_id: str, *, key: str, origin: Origin) -> Intent:
    """Ask for what is authorized: nothing once it is captured. An open capture is asked after."""
    payment = _locked(session, payment_id)
    open_captures = open_references(payment.events, CHARGE)
    amount = payment.amounts.charge_pending_minor if open_captures else payment.amounts.authorized_minor
    if amount == 0:
        return Intent(payment_id=payment_id)
    return _order(session, payment, Action.CAPTURE, CHARGE, amount, key, origin)


def intend_void(session: Session, payment: Payment | None, *, key: str, origin: Origin) -> Intent:
    """Withdraw what is authorized, or may still become so. Nothing to withdraw: nothing is asked."""
    if payment is None:
        return NOTHING_TO_ASK
    payment = _locked(session, payment.id)
    open_calls = (*_open_calls(payment, AUTHORIZATION), *_open_calls(payment, CHARGE))
    amount = payment.amounts.authorized_minor + payment.amounts.cancel_pending_minor
    amount += sum(call.amount_minor for call in open_calls)
    if amount == 0:
        return Intent(payment_id=payment.id)
    intent = _order(session, payment, Action.VOID, CANCEL, amount, key, origin)
    return intent.model_copy(update={"open_calls": open_calls})


def intend_refund(session: Session, payment: Payment | None, *, key: str, origin: Origin) -> Intent:
    """Give back all that was charged, or may have been. Nothing charged: nothing is asked."""
    if payment is None:
        return NOTHING_TO_ASK
    payment = _locked(session, payment.id)
    sums = payment.amounts
    amount = sums.charged_minor + sums.charge_pending_minor + sums.refund_pending_minor
    if amount <= 0:
        return Intent(payment_id=payment.id)
    intent = _order(session, payment, Action.REFUND, REFUND, amount, key, origin)
    return intent.model_copy(update={"open_calls": _open_calls(payment, CHARGE)})


def intend_finding_out(session: Session, payment_id: str) -> Intent:
    """Find out what became of what is open. An open capture is sent again if the provider never heard of it: the
    pieces are secured for it. An authorization it never heard of is given up after twice the limit of a call.
    """
    payment = _locked(session, payment_id)
    captures = _open_calls(payment, CHARGE)
    if captures:
        return Intent(payment_id=payment_id, provider=payment.provider, call=captures[0], may_be_sent=True)
    open_calls = _open_calls(payment, AUTHORIZATION)
    patience = timedelta(seconds=2 * settings().provider_limit_s)
    asked_at = [e.occurred_at for e in payment.events if e.reference in {call.key for call in open_calls}]
    return Intent(
        payment_id=payment_id,
        provider=payment.provider,
        open_calls=open_calls,
        gives_up_at=max(asked_at) + patience if asked_at else None,
    )


def resumed(intent: Intent) -> Intent:
    """The intent of an attempt that broke off: its order may have reached the provider."""
    return intent.model_copy(update={"may_be_sent": True})


# --- asking: in no transaction ----------------------------------------------------------------------------------


def find_out(intent: Intent) -> Answer:
    """As `ask`, for those who need to know: `UnavailableError` while the outcome is still unknown."""
    answer = ask(intent)
    if not answer.reports and (intent.call is not None or intent.open_calls):
        raise UnavailableError(
            "payment.outcome_unknown",
            "The provider has not said yet what became of the payment.",
            mend="Ask again later.",
        )
    return answer


def ask(intent: Intent) -> Answer:
    """Ask the provider. An empty answer means that the outcome is unknown."""
    if intent.call is None and not intent.open_calls:
        return Answer()
    provider = find_provider(intent.provider)
    limit_s = settings().provider_limit_s
    if intent.call is not None and intent.call.action is Action.VOID:
        return _withdraw(provider, intent, intent.call, limit_s)
    if intent.call is not None and intent.call.action is Action.REFUND:
        return _give_back(provider, intent, intent.call, limit_s)
    if intent.call is not None:
        return Answer(reports=send(provider, intent.call, limit_s=limit_s, may_be_sent=intent.may_be_sent))
    return _find_out(provider, intent, limit_s)


def _find_out(provider: Provider, intent: Intent, limit_s: float) -> Answer:
    reports: list[ProviderReport] = []
    for call in intent.open_calls:
        found = look_up(provider, call.key, limit_s=limit_s)
        if found is None and intent.gives_up_at is not None and intent.gives_up_at <= now():
            # should it have arrived just now, it is withdrawn all the same, and both are known
            told = send(provider, _voiding(call, call.key), limit_s=limit_s, may_be_sent=True)
            reports += [report for report in told if report.outcome is Outcome.SUCCEEDED]
            found = look_up(provider, call.key, limit_s=limit_s)
        if found is not None and found.outcome is not Outcome.PROCESSING:
            reports.append(found)
    return Answer(reports=tuple(reports))


def _withdraw(provider: Provider, intent: Intent, void: ProviderCall, limit_s: float) -> Answer:
    """Void first, ask after what was open then: it can no longer change."""
    reports = list(send(provider, void, limit_s=limit_s, may_be_sent=intent.may_be_sent))
    if not reports:
        raise UnavailableError(
            "payment.void_unknown", "The provider did not say whether the authorization is withdrawn."
        )
    for call in intent.open_calls:
        found = look_up(provider, call.key, limit_s=limit_s)
        if found is not None and found.outcome is Outcome.PROCESSING:
            raise UnavailableError("payment.still_processing", "The provider is still working on the payment.")
        reports.append(found or _never_arrived(call))
    if any(r.action is Action.CAPTURE and r.outcome is Outcome.SUCCEEDED for r in reports):
        raise UnavailableError(
            "payment.captured_meanwhile", "The payment was captured while it was withdrawn.", mend="Refund it."
        )
    if reports[0].outcome is Outcome.DECLINED and _still_stands(provider, void, limit_s):
        raise UnavailableError(
            "payment.void_refused",
            "The provider did not withdraw the authorization.",
            mend="Try again; if it stays so, settle it with the provider.",
            reason=reports[0].reason,
        )
    return Answer(reports=tuple(reports))


def _still_stands(provider: Provider, void: ProviderCall, limit_s: float) -> bool:
    found = look_up(provider, void.authorization_key or "", limit_s=limit_s)
    return found is not None and found.outcome is not Outcome.DECLINED


def _give_back(provider: Provider, intent: Intent, refund: ProviderCall, limit_s: float) -> Answer:
    """Ask after an open capture first: what was never captured is not given back, and can no longer be captured."""
    reports: list[ProviderReport] = []
    for call in intent.open_calls:
        found = look_up(provider, call.key, limit_s=limit_s)
        if found is None:
            # it may still be on its way: once the authorization is withdrawn it takes nothing when it arrives
            reports += send(provider, _voiding(call, call.authorization_key), limit_s=limit_s, may_be_sent=True)
            found = look_up(provider, call.key, limit_s=limit_s)
        if found is not None and found.outcome is Outcome.PROCESSING:
            raise UnavailableError("payment.still_processing", "The provider is still working on the payment.")
        reports.append(found or _never_arrived(call))
    done = {report.action for report in reports if report.outcome is Outcome.SUCCEEDED}
    if intent.open_calls and Action.CAPTURE not in done:
        if Action.VOID not in done and any(report.reason == NEVER_ARRIVED for report in reports):
            raise UnavailableError(
                "payment.void_unknown", "The provider did not say whether it may still take the money."
            )
        return Answer(reports=(*reports, _never_arrived(refund, reason="nothing_charged")))
    told = send(provider, refund, limit_s=limit_s, may_be_sent=intent.may_be_sent)
    if not told or any(report.outcome is Outcome.DECLINED for report in told):
        raise UnavailableError(
            "payment.refund_refused" if told else "payment.refund_unknown",
            "The provider did not give the money back.",
            mend="Try again; if it stays so, settle it with the provider.",
            reason=told[0].reason if told else None,
        )
    return Answer(reports=(*reports, *told))


def _voiding(call: ProviderCall, authorization_key: str | None) -> ProviderCall:
    """The order that keeps a call which the provider never heard of from having any effect later."""
    to_void = {"key": derived_id("voi", call.key), "action": Action.VOID, "authorization_key": authorization_key}
    return call.model_copy(update=to_void)


def _never_arrived(call: ProviderCall, reason: str = NEVER_ARRIVED) -> ProviderReport:
    return ProviderReport(
        key=call.key,
        action=call.action,
        outcome=Outcome.DECLINED,
        amount_minor=call.amount_minor,
        occurred_at=now(),
        reason=reason,
    )


# --- answers: in a transaction ----------------------------------------------------------------------------------


def record_answer(session: Session, intent: Intent, answer: Answer, *, origin: Origin) -> Payment | None:
    """Write the answer; the payment as it stands then. Recording the same answer again changes nothing."""
    if intent.payment_id is None:
        return None
    record_reports(session, intent.payment_id, answer.reports, origin)
    return payment_of(session, intent.payment_id)


def stand_of(payment: Payment | None) -> PaymentStand:
    """Where the payment stands, for the process."""
    if payment is None:
        return PaymentStand.NOTHING
    sums = payment.amounts
    if _was_charged(payment):
        return PaymentStand.CAPTURED
    if sums.authorize_pending_minor > 0 or sums.charge_pending_minor > 0:
        return PaymentStand.UNKNOWN
    if sums.authorized_minor > 0 or payment.amount_minor == 0:
        return PaymentStand.FAILED if _capture_failed(payment) else PaymentStand.AUTHORIZED
    return PaymentStand.DECLINED


def _was_charged(payment: Payment) -> bool:
    """Whether a charge succeeded, whatever was given back or taken back since."""
    return amounts(e for e in payment.events if e.kind in (K.CHARGE_SUCCESS, K.CHARGE_FAILURE)).charged_minor > 0


def _capture_failed(payment: Payment) -> bool:
    return any(event.kind is K.CHARGE_FAILURE for event in payment.events)


def _locked(session: Session, payment_id: str) -> Payment:
    lock_payment(session, payment_id)
    return payment_of(session, payment_id)


def _order(
    session: Session, payment: Payment, action: Action, act: Act, amount_minor: int, key: str, origin: Origin
) -> Intent:
    """The order to the provider: an open one of the same act again, or a new one."""
    waiting = open_references(payment.events, act)
    reference = waiting[0] if waiting else derived_id(action.value[:3], payment.id, key)
    if not waiting and any(e.kind is act.request and e.reference == reference for e in payment.events):
        return Intent(payment_id=payment.id)  # asked with this key before, and answered: the answer stands
    if not waiting:
        record_request(session, payment, action=action, reference=reference, amount_minor=amount_minor, origin=origin)
    call = _call(payment, action, reference, amount_minor)
    return Intent(payment_id=payment.id, provider=payment.provider, call=call, may_be_sent=bool(waiting))


def _open_calls(payment: Payment, act: Act) -> tuple[ProviderCall, ...]:
    action = {AUTHORIZATION: Action.AUTHORIZE, CHARGE: Action.CAPTURE}[act]
    asked: dict[str, PaymentEvent] = {e.reference: e for e in payment.events if e.kind is act.request}
    return tuple(
        _call(payment, action, reference, asked[reference].amount_minor)
        for reference in open_references(payment.events, act)
    )


def _call(payment: Payment, action: Action, reference: str, amount_minor: int) -> ProviderCall:
    authorizations = [e.reference for e in payment.events if e.kind is K.AUTHORIZATION_REQUEST]
    granted = [e.reference for e in payment.events if e.kind is K.AUTHORIZATION_SUCCESS]
    return ProviderCall(
        key=reference,
        action=action,
        business=payment.business,
        payment_id=payment.id,
        method=payment.method,
        currency=payment.currency,
        amount_minor=amount_minor,
        authorization_key=None if action is Action.AUTHORIZE else [*authorizations, *granted][-1],
    )
