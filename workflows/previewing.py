"""What a refund would give back, by the same steps that the process takes: its assessment, its policy, its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from activities.catalogue import StepContext
from activities.deciding import DecideRequest, decide
from activities.refunding import preview_refund
from activities.refunds import assess_refund
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import RefundPreview, RefundRequest
from capabilities.transaction.queries import order_of
from workflows.language.bind import bind
from workflows.language.definition import Decide
from workflows.language.plan import plan_of
from workflows.library import definition_for

REFUND, POLICY = "refund", "policy"


@dataclass(frozen=True, slots=True)
class RefundOffer:
    """The preview, the fee of the policy taken off; and what the policy says: auto, ask or refuse, and why."""

    preview: RefundPreview
    outcome: str
    reason: str | None


def asking(identity: BusinessIdentity, actor: str) -> StepContext:
    """Who asks for a preview: no run, no key."""
    return StepContext("preview", "preview", "preview", identity, actor, "preview")


def preview_of_refund(
    session: Session, identity: BusinessIdentity, request: RefundRequest, *, actor: str
) -> RefundOffer:
    """What starting the process now would do. Nothing is written or reserved; its `sha256` binds the process to it."""
    context = asking(identity, actor)
    assessed = assess_refund(session, context, request)
    policy = plan_of(definition_for(REFUND, identity)).step_named(POLICY)
    if not isinstance(policy, Decide):
        raise TypeError(f"The process {REFUND} has no decision {POLICY}.")
    known = {"input": {"request": request.model_dump(mode="json")}, "assess": assessed.model_dump(mode="json")}
    decided = decide(session, context, DecideRequest(decision=policy.decision, facts=bind(policy.facts, known)))
    fee = decided.effects[0] if decided.effects else {}
    preview = preview_refund(
        session,
        order_of(session, request.order_id),
        request,
        fee_bps=int(fee.get("fee_bps") or 0),
        fee_minor=int(fee.get("fee_minor") or 0),
    )
    return RefundOffer(preview, decided.outcome, decided.reason)
