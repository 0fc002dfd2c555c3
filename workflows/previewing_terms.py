"""What payment terms would make of a cart, by the same decision and arithmetic that its checkout takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy.orm import Session

from activities.catalogue import StepContext
from activities.deciding import Decided, DecideRequest, decide
from activities.pricing import quote_for
from activities.terms import facts_for_terms
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.contract import Quote
from capabilities.payment.schedule import PlannedDue, dues_of, terms_of
from capabilities.payment.terms import TERMS
from capabilities.transaction.contract import CheckoutRequest
from capabilities.transaction.extensions import begins_on
from capabilities.transaction.order_rows import require_few_pieces
from capabilities.transaction.queries import offers_seen
from capabilities.user.contract import AdmitBuyer
from capabilities.user.service import admit_buyer
from workflows.language.bind import bind
from workflows.language.definition import Decide
from workflows.language.plan import plan_of
from workflows.library import definition_for

CHECKOUT, STEP = "checkout", "terms"


@dataclass(frozen=True, slots=True)
class TermsOffer:
    """The quote, the terms that were decided for it, and what would be due when."""

    quote: Quote
    decided: Decided
    dues: tuple[PlannedDue, ...]


def preview_of_terms(session: Session, request: CheckoutRequest, *, actor: str) -> TermsOffer:
    """What a checkout of this cart under these terms would agree on now. Nothing is written.

    Raises what the checkout would: `RefusedError` for terms this buyer does not get.
    """
    identity = BusinessIdentity(request.business, request.scenario)
    at = now()
    buyer = admit_buyer(session, AdmitBuyer(business=request.business, buyer_id=request.buyer_id))
    quote = quote_for(session, request, buyer)
    pieces: Counter[str] = Counter()
    for line in request.lines:
        pieces[line.sku] += line.quantity
    require_few_pieces(identity, pieces, offers_seen(session, request.business, pieces))
    decided = _everything_now()
    if request.terms is not None:
        step = plan_of(definition_for(CHECKOUT, identity)).step_named(STEP)
        if not isinstance(step, Decide) or step.decision != TERMS.name:
            raise TypeError(f"The process {CHECKOUT} has no decision {STEP}.")
        known = {
            "input": request.model_dump(mode="json"),
            "price": quote.model_dump(mode="json", include={"total_minor"}),
            "admit": buyer.model_dump(mode="json"),
            "owes": facts_for_terms(session, identity, request, at=at).model_dump(mode="json"),
        }
        context = StepContext("preview", STEP, "preview", identity, actor, "preview")
        decided = decide(session, context, DecideRequest(decision=step.decision, facts=bind(step.facts, known)))
    dues = dues_of(
        terms_of(decided.effects),
        quote.total_minor,
        at=at,
        zone=business_of(session, request.business).time_zone,
        service_date=begins_on.for_identity(identity)(request),
    )
    return TermsOffer(quote, decided, dues)


def _everything_now() -> Decided:
    return Decided(outcome=TERMS.otherwise, reason=None, effects=(), rule_ids=(), release_id=None)
