"""The call between an intent and its answer: in no transaction, and it may run again.

What may have been sent is looked up before it is sent. Several intents are asked at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from capabilities.kernel.clock import now
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.settings import settings
from capabilities.payment.contract import Contract
from capabilities.payment.extensions import find_provider
from capabilities.payment.providers.calling import look_up, send
from capabilities.payment.providers.protocol import Action, Outcome, Provider, ProviderCall, ProviderReport

NEVER_ARRIVED = "never_arrived"
MOST_VOIDS = 40
"""How often a void that was declined is tried anew before the provider has to be asked by a person."""


class Intent(Contract):
    """What will be asked. `open_calls` were sent earlier and not answered; they are asked after, not sent.

    `may_be_sent`: an earlier attempt may have sent `call`. `gives_up_at`: what the provider never heard of until then
    is withdrawn, so that it cannot happen later. `others`: the intents of the order's further payments. `is_taken`: all
    that was authorized is captured by now, so a void that is declined leaves nothing standing.
    """

    payment_id: str | None
    provider: str = ""
    call: ProviderCall | None = None
    may_be_sent: bool = False
    open_calls: tuple[ProviderCall, ...] = ()
    gives_up_at: datetime | None = None
    others: tuple[Intent, ...] = ()
    refund_id: str | None = None
    is_taken: bool = False

    @property
    def each(self) -> tuple[Intent, ...]:
        """Itself and the others, payment by payment."""
        return (self, *self.others)


class Answer(Contract):
    """What the provider said; nothing where it did not answer in time. `others` answer the intent's others."""

    reports: tuple[ProviderReport, ...] = ()
    others: tuple[Answer, ...] = ()

    @property
    def each(self) -> tuple[Answer, ...]:
        return (self, *self.others)


NOTHING_TO_ASK = Intent(payment_id=None)


def together(intents: list[Intent]) -> Intent:
    """One intent for all payments of an order; the first carries the others."""
    if not intents:
        return NOTHING_TO_ASK
    return intents[0] if len(intents) == 1 else intents[0].model_copy(update={"others": tuple(intents[1:])})


def resumed(intent: Intent) -> Intent:
    """The intent of an attempt that broke off: its order may have reached the provider."""
    return intent.model_copy(update={"may_be_sent": True, "others": tuple(map(resumed, intent.others))})


def ask(intent: Intent) -> Answer:
    """Ask the provider. An empty answer means that the outcome is unknown."""
    return _ask_all(intent, _ask_one)


def find_out(intent: Intent) -> Answer:
    """As `ask`, for those who need to know: `UnavailableError` while the outcome is still unknown."""
    return _ask_all(intent, _find_out_one)


def _ask_all(intent: Intent, asking: Callable[[Intent], Answer]) -> Answer:
    """All payments at the same time, each inside its own limit. An error of one is raised when all have ended."""
    if not intent.others:
        return asking(intent)
    with ThreadPoolExecutor(len(intent.each), thread_name_prefix="payments") as pool:
        asked = [pool.submit(asking, one) for one in intent.each]
    first, *others = [one.result() for one in asked]
    return first.model_copy(update={"others": tuple(others)})


def _find_out_one(intent: Intent) -> Answer:
    answer = _ask_one(intent)
    if not answer.reports and (intent.call is not None or intent.open_calls):
        raise UnavailableError(
            "payment.outcome_unknown",
            "The provider has not said yet what became of the payment.",
            mend="Ask again later.",
        )
    return answer


def _ask_one(intent: Intent) -> Answer:
    if intent.call is None and not intent.open_calls:
        return Answer()
    provider = find_provider(intent.provider)
    limit_s = settings().provider_limit_s
    if intent.call is None:
        return _ask_after_open_ones(provider, intent, limit_s)
    if intent.call.action is Action.VOID:
        return _withdraw(provider, intent, intent.call, limit_s)
    if intent.call.action is Action.REFUND and intent.refund_id is None:
        return _give_back(provider, intent, intent.call, limit_s)
    return Answer(reports=send(provider, intent.call, limit_s=limit_s, may_be_sent=intent.may_be_sent))


def _ask_after_open_ones(provider: Provider, intent: Intent, limit_s: float) -> Answer:
    reports: list[ProviderReport] = []
    for call in intent.open_calls:
        found = look_up(provider, call, limit_s=limit_s)
        if found is None and intent.gives_up_at is not None and intent.gives_up_at <= now():
            # should it have arrived just now, it is withdrawn all the same, and both are known
            told = send(provider, _voiding(call, call.key), limit_s=limit_s, may_be_sent=True)
            reports += [report for report in told if report.outcome is Outcome.SUCCEEDED]
            found = look_up(provider, call, limit_s=limit_s)
        if found is not None and found.outcome is not Outcome.PROCESSING:
            reports.append(found)
    return Answer(reports=tuple(reports))


def _withdraw(provider: Provider, intent: Intent, void: ProviderCall, limit_s: float) -> Answer:
    """Void first, ask after what was open then: it can no longer change."""
    reports = _void(provider, intent, void, limit_s)
    for call in intent.open_calls:
        found = look_up(provider, call, limit_s=limit_s)
        if found is not None and found.outcome is Outcome.PROCESSING:
            raise UnavailableError("payment.still_processing", "The provider is still working on the payment.")
        reports.append(found or _never_arrived(call))
    if any(r.action is Action.CAPTURE and r.outcome is Outcome.SUCCEEDED for r in reports):
        raise UnavailableError(
            "payment.captured_meanwhile", "The payment was captured while it was withdrawn.", mend="Refund it."
        )
    is_withdrawn = any(r.action is Action.VOID and r.outcome is Outcome.SUCCEEDED for r in reports)
    if not is_withdrawn and not intent.is_taken and _still_stands(provider, void, limit_s):
        raise UnavailableError(
            "payment.void_refused",
            "The provider did not withdraw the authorization.",
            mend="Try again: each try asks the provider anew. If it stays so, settle it with the provider.",
            reason=reports[0].reason,
        )
    return Answer(reports=tuple(reports))


def _void(provider: Provider, intent: Intent, void: ProviderCall, limit_s: float) -> list[ProviderReport]:
    """What the provider says of the void. One that was declined in an earlier attempt is asked for anew.

    A provider keeps its no under the key that was declined, so a further try has a key of its own, made of the first:
    it follows from what is stored, and a void takes no money however often it is sent.
    """
    reports = list(send(provider, void, limit_s=limit_s, may_be_sent=intent.may_be_sent))
    tries = 0
    while intent.may_be_sent and reports and reports[-1].outcome is Outcome.DECLINED and tries < MOST_VOIDS:
        tries += 1
        anew = void.model_copy(update={"key": derived_id("voi", void.key, str(tries))})
        known = look_up(provider, anew, limit_s=limit_s)
        reports += [known] if known is not None else send(provider, anew, limit_s=limit_s, may_be_sent=False)
        if known is None:
            break
    if not reports:
        raise UnavailableError(
            "payment.void_unknown", "The provider did not say whether the authorization is withdrawn."
        )
    return [report for report in reports if report.outcome is not Outcome.PROCESSING]


def _still_stands(provider: Provider, void: ProviderCall, limit_s: float) -> bool:
    authorization = void.model_copy(update={"key": void.authorization_key or "", "action": Action.AUTHORIZE})
    found = look_up(provider, authorization, limit_s=limit_s)
    return found is not None and found.outcome is not Outcome.DECLINED


def _give_back(provider: Provider, intent: Intent, refund: ProviderCall, limit_s: float) -> Answer:
    """Ask after an open capture first: what was never captured is not given back, and can no longer be captured.

    A no is an answer that is kept: the next try asks anew, under a key of its own.
    """
    reports: list[ProviderReport] = []
    for call in intent.open_calls:
        found = look_up(provider, call, limit_s=limit_s)
        if found is None:
            # it may still be on its way: once the authorization is withdrawn it takes nothing when it arrives
            reports += send(provider, _voiding(call, call.authorization_key), limit_s=limit_s, may_be_sent=True)
            found = look_up(provider, call, limit_s=limit_s)
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
    if not told:
        raise UnavailableError(
            "payment.refund_unknown",
            "The provider did not say whether it gave the money back.",
            mend="Try again; if it stays so, settle it with the provider.",
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
