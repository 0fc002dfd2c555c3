"""Stripe: payment intents that are confirmed at once and captured by hand, each order under an idempotency key of ours.

Our keys stand in the metadata of what Stripe makes, so that an order can be looked up: Stripe keeps its answer to a key
for a day only, its objects for ever. Amounts are Stripe's own: whole minor units of the currency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import stripe

from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError, UnavailableError
from capabilities.kernel.settings import Settings, settings
from capabilities.payment.providers.protocol import Action, Outcome, ProviderCall, ProviderMessage, ProviderReport
from capabilities.payment.providers.stripe_messages import read_stripe

NAME = "stripe"
PREFIX = "pm_"
"""A payment method of Stripe's: `pm_…`, as its own form gives it to a front-end."""

SEARCHED = 100
DECLINED_CODES = frozenset(
    {
        "payment_intent_unexpected_state",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_expired_for_capture",
        "amount_too_large",
        "charge_disputed",
        "refund_disputed_payment",
        "insufficient_funds",
        "balance_insufficient",
    }
)
"""Requests that Stripe says no to because of how things stand: an answer, not a mistake of ours."""

_AUTHORIZED = {"requires_capture": Outcome.SUCCEEDED, "succeeded": Outcome.SUCCEEDED, "processing": Outcome.PROCESSING}
_REFUNDED = {"succeeded": Outcome.SUCCEEDED, "pending": Outcome.PROCESSING, "requires_action": Outcome.PROCESSING}


def takes(method: str) -> bool:
    """Whether Stripe takes the method: one of its own, where it is set up."""
    return method.startswith(PREFIX) and settings().stripe_api_key is not None


def stripe_client(own: Settings, http: stripe.HTTPClient | None = None) -> stripe.StripeClient:
    """The client of this installation; `UnavailableError` without a key."""
    if own.stripe_api_key is None:
        raise UnavailableError(
            "payment.stripe_off", "Stripe is not set up.", mend="Set ZHONGTAI_STRIPE_API_KEY to a secret key."
        )
    return stripe.StripeClient(
        own.stripe_api_key,
        base_addresses={"api": own.stripe_api_base},
        max_network_retries=0,
        http_client=http or stripe.RequestsClient(timeout=own.provider_limit_s),
    )


class Stripe:
    """The provider. `client` is asked for with every call, so that a key can change while we run."""

    def __init__(self, client: Callable[[], stripe.StripeClient] | None = None) -> None:
        self._client = client or (lambda: stripe_client(settings()))

    def send(self, call: ProviderCall) -> tuple[ProviderReport, ...]:
        doing = {
            Action.AUTHORIZE: self._authorize,
            Action.CAPTURE: self._capture,
            Action.VOID: self._void,
            Action.REFUND: self._refund,
        }
        try:
            with _errors():
                return (doing[call.action](call),)
        except stripe.CardError as error:
            return (_report(call, Outcome.DECLINED, now(), _why_card(error), error.json_body),)
        except stripe.InvalidRequestError as error:
            if error.code not in DECLINED_CODES:
                raise InvalidError(
                    "payment.request_invalid",
                    f"Stripe does not take this: {error.user_message or error.code}",
                    mend="Choose another payment method or amount; the parameter Stripe names is in the details.",
                    parameter=error.param,
                    stripe_code=error.code,
                ) from error
            return (_report(call, Outcome.DECLINED, now(), error.code),)

    def look_up(self, call: ProviderCall) -> ProviderReport | None:
        finding = {
            Action.AUTHORIZE: self._find_authorization,
            Action.CAPTURE: self._find_capture,
            Action.VOID: self._find_void,
            Action.REFUND: self._find_refund,
        }
        with _errors():
            return finding[call.action](call)

    def read_message(self, headers: Mapping[str, str], body: bytes) -> ProviderMessage:
        return read_stripe(settings().stripe_webhook_secret, headers, body)

    # --- sending ------------------------------------------------------------------------------------------------

    def _authorize(self, call: ProviderCall) -> ProviderReport:
        made = self._client().v1.payment_intents.create(
            params={
                "amount": call.amount_minor,
                "currency": call.currency.lower(),
                "payment_method": call.method,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "capture_method": "manual",
                "confirm": True,
                "metadata": _metadata(call, "key"),
            },
            options={"idempotency_key": call.key},
        )
        return _authorization(call, made)

    def _capture(self, call: ProviderCall) -> ProviderReport:
        captured = self._client().v1.payment_intents.capture(
            self._about(call),
            params={"amount_to_capture": call.amount_minor, "metadata": {"capture_key": call.key}},
            options={"idempotency_key": call.key},
        )
        return _captured(call, captured)

    def _void(self, call: ProviderCall) -> ProviderReport:
        about = call.authorization_id or self._found_id(call.authorization_key or "")
        if about is None:
            about = self._claim_key(call)
        cancelled = self._client().v1.payment_intents.cancel(
            about, params={"cancellation_reason": "abandoned"}, options={"idempotency_key": call.key}
        )
        return _report(call, Outcome.SUCCEEDED, _moment(cancelled.canceled_at), None, cancelled)

    def _claim_key(self, call: ProviderCall) -> str:
        """Use up the key of an authorization Stripe never heard of, without taking anything: should it arrive later, it
        is refused, because another request had its key.
        """
        params: Any = {
            "amount": call.amount_minor,
            "currency": call.currency.lower(),
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "capture_method": "manual",
            "metadata": _metadata(call, "key", call.authorization_key) | {"withdrawn": "true"},
        }
        try:
            made = self._client().v1.payment_intents.create(
                params=params, options={"idempotency_key": call.authorization_key or ""}
            )
        except stripe.IdempotencyError as error:
            raise UnavailableError(
                "payment.still_processing", "The authorization has arrived at Stripe just now.", mend="Try again."
            ) from error
        return made.id

    def _refund(self, call: ProviderCall) -> ProviderReport:
        made = self._client().v1.refunds.create(
            params={
                "payment_intent": self._about(call),
                "amount": call.amount_minor,
                "metadata": _metadata(call, "key"),
            },
            options={"idempotency_key": call.key},
        )
        return _refunded(call, made)

    def _about(self, call: ProviderCall) -> str:
        """Stripe's id of the authorization a call is about."""
        about = call.authorization_id or self._found_id(call.authorization_key or "")
        if about is None:
            raise UnavailableError(
                "payment.authorization_not_found", "Stripe does not find the authorization yet.", mend="Try again."
            )
        return about

    # --- looking up ---------------------------------------------------------------------------------------------

    def _found_id(self, key: str) -> str | None:
        found = self._found(key)
        return None if found is None else found.id

    def _found(self, key: str) -> stripe.PaymentIntent | None:
        """The payment intent made under one of our keys. Search is some seconds behind, so the newest are looked through too."""
        payment_intents = self._client().v1.payment_intents
        searched = payment_intents.search(params={"query": f"metadata['key']:'{key}'", "limit": 1})
        newest = [] if searched.data else payment_intents.list(params={"limit": SEARCHED}).data
        return next((one for one in (*searched.data, *newest) if _noted(one).get("key") == key), None)

    def _find_authorization(self, call: ProviderCall) -> ProviderReport | None:
        found = self._found(call.key)
        return None if found is None else _authorization(call, found)

    def _find_capture(self, call: ProviderCall) -> ProviderReport | None:
        found = self._intent(call)
        if found is None or _noted(found).get("capture_key") != call.key:
            return None
        return _captured(call, found)

    def _find_void(self, call: ProviderCall) -> ProviderReport | None:
        found = self._intent(call)
        if found is None or found.status != "canceled":
            return None
        return _report(call, Outcome.SUCCEEDED, _moment(found.canceled_at), None, found)

    def _find_refund(self, call: ProviderCall) -> ProviderReport | None:
        about = self._intent(call)
        if about is None:
            return None
        refunds = self._client().v1.refunds.list(params={"payment_intent": about.id, "limit": SEARCHED})
        found = next((one for one in refunds.data if _noted(one).get("key") == call.key), None)
        return None if found is None else _refunded(call, found)

    def _intent(self, call: ProviderCall) -> stripe.PaymentIntent | None:
        if call.authorization_id is not None:
            return self._client().v1.payment_intents.retrieve(call.authorization_id)
        return self._found(call.authorization_key or "")


def _metadata(call: ProviderCall, name: str, key: str | None = None) -> dict[str, str]:
    return {name: key or call.key, "payment_id": call.payment_id, "business": call.business}


def _noted(made: stripe.PaymentIntent | stripe.Refund) -> dict[str, Any]:
    """The metadata of a thing of Stripe's."""
    return made.metadata.to_dict() if made.metadata else {}


def _authorization(call: ProviderCall, made: stripe.PaymentIntent) -> ProviderReport:
    outcome = _AUTHORIZED.get(made.status, Outcome.DECLINED)
    reason = None
    if outcome is Outcome.DECLINED:
        last = made.last_payment_error
        reason = (last.decline_code or last.code) if last is not None else made.status
        reason = "voided_before_arrival" if _noted(made).get("withdrawn") else reason
    return _report(call, outcome, _moment(made.created), reason, made)


def _captured(call: ProviderCall, found: stripe.PaymentIntent) -> ProviderReport:
    outcome = _AUTHORIZED.get(found.status, Outcome.DECLINED)
    outcome = Outcome.DECLINED if found.status == "requires_capture" else outcome
    amount = found.amount_received if outcome is Outcome.SUCCEEDED else call.amount_minor
    reason = found.status if outcome is Outcome.DECLINED else None
    return _report(call, outcome, _moment(found.created), reason, found).model_copy(update={"amount_minor": amount})


def _refunded(call: ProviderCall, made: stripe.Refund) -> ProviderReport:
    outcome = _REFUNDED.get(made.status or "", Outcome.DECLINED)
    reason = (made.failure_reason or made.status) if outcome is Outcome.DECLINED else None
    return _report(call, outcome, _moment(made.created), reason, made)


def _report(call: ProviderCall, outcome: Outcome, at: datetime, reason: str | None, told: Any = None) -> ProviderReport:
    return ProviderReport(
        key=call.key,
        action=call.action,
        outcome=outcome,
        amount_minor=call.amount_minor,
        occurred_at=at,
        reason=reason,
        provider_id=getattr(told, "id", None),
    )


def _moment(seconds: int | None) -> datetime:
    return now() if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _why_card(error: stripe.CardError) -> str:
    told = error.error
    return str((told.decline_code or told.code) if told is not None else error.code)


@contextmanager
def _errors() -> Iterator[None]:
    """Stripe's errors as ours: what did not arrive or cannot be done now is unavailable, a key used otherwise is our mistake."""
    try:
        yield
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise UnavailableError(
            "payment.stripe_key_refused",
            "Stripe refuses the key of this installation.",
            mend="Set ZHONGTAI_STRIPE_API_KEY to a secret key of the account that may do this.",
        ) from error
    except stripe.IdempotencyError as error:
        raise InvalidError("payment.key_reused", "Stripe has this key from another request.") from error
    except (stripe.CardError, stripe.InvalidRequestError):
        raise
    except stripe.StripeError as error:
        raise UnavailableError(
            "payment.provider_silent", "Stripe did not answer.", mend="The same request may succeed later."
        ) from error
