"""Which provider takes a payment: the live rules of `payment.routing`, where there are any; else the method decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from activities.deciding import Decided, decided_by
from capabilities.kernel.errors import InvalidError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.contract import PreparePayment
from capabilities.payment.extensions import find_provider, provider_of_method
from capabilities.payment.queries import silent_providers
from capabilities.payment.routing import ROUTING
from capabilities.transaction.contract import Order
from capabilities.user.queries import find_buyer
from rules.facts import facts_from_names
from rules.queries import LiveRelease, live_release

REFUSED = "refuse_payment"


def routed(
    session: Session, identity: BusinessIdentity, order: Order, asked: Sequence[PreparePayment], *, sources: int
) -> list[PreparePayment]:
    """The payments with their providers. Facts are gathered only where a rule set is live."""
    release = live_release(session, ROUTING.name, identity) if asked else None
    if release is None:
        return list(asked)
    shared = _facts(session, order, sources)
    return [_routed(session, identity, release, one, shared) for one in asked]


def _facts(session: Session, order: Order, sources: int) -> dict[str, Any]:
    buyer = find_buyer(session, order.business, order.buyer_id) if order.buyer_id else None
    return {
        "payment.order_total_minor": order.total_minor,
        "payment.currency": order.currency,
        "payment.country": order.country,
        "payment.channel": order.channel,
        "payment.sources": sources,
        "payment.silent_providers": silent_providers(session),
        "buyer.tier": buyer.tier if buyer else None,
        "buyer.is_guest": buyer is None,
    }


def _routed(
    session: Session, identity: BusinessIdentity, release: LiveRelease, asked: PreparePayment, shared: dict[str, Any]
) -> PreparePayment:
    own = {
        "payment.method": asked.method,
        "payment.amount_minor": asked.amount_minor,
        "payment.usual_provider": _usual(identity, asked.method),
    }
    decided = decided_by(session, identity, release, facts_from_names(ROUTING.grains[0], shared | own))
    if decided.outcome == REFUSED:
        raise RefusedError(
            "payment.method_refused",
            f"This payment is not taken: {decided.reason}",
            mend="Choose another payment method.",
            method=asked.method,
            release_id=decided.release_id,
        )
    return asked.model_copy(update={"provider": _provider(decided), "routed_by": decided.release_id})


def _provider(decided: Decided) -> str | None:
    if not decided.effects:
        return None
    name = str(decided.effects[0]["provider"])
    find_provider(name)  # a rule that names nobody is told at once, not when money is asked for
    return name


def _usual(identity: BusinessIdentity, method: str) -> str | None:
    try:
        return provider_of_method.for_identity(identity)(method)
    except InvalidError:
        return None
