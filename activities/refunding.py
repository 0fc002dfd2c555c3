"""What a refund of an order would give back, put together from order, quote, payments and rules: the preview is the result.

The goods a buyer keeps are priced by the order's own cart and releases where the rule set declares that a partial return
re-evaluates the discounts (`re_evaluate`) or takes back those whose threshold no longer holds (`claw_back`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from activities.explaining import quote_like
from activities.pricing import price_cart
from activities.stage_loop import options_of
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.errors import RefusedError, UnavailableError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.contract import PROMOTIONS, Quote, QuoteLine
from capabilities.marketing.queries import cart_of, find_quote
from capabilities.payment.contract import Payment
from capabilities.payment.queries import payments_of_order
from capabilities.payment.schedule import DueStatus
from capabilities.payment.schedule_queries import schedule_of
from capabilities.payment.sharing import share_back
from capabilities.settlement.service_holds import disputes_open
from capabilities.transaction.after_sale import AfterReturn
from capabilities.transaction.contract import (
    Order,
    RefundAdjustment,
    RefundKind,
    RefundLine,
    RefundPreview,
    RefundRequest,
    SourceShare,
)
from capabilities.transaction.extensions import begins_on
from capabilities.transaction.queries import refunds_of
from capabilities.transaction.refund_queries import UNDER_WAY
from capabilities.transaction.refundable import kept_lines, preview_sha256, require_refundable
from capabilities.transaction.refunding import (
    GOODS,
    KeptLine,
    LineAmounts,
    kept_total,
    refund_amount,
    refund_units,
    refused_too_much,
)
from rules.queries import live_release, release_to_decide

WHOLE_BPS = 10_000


def preview_refund(
    session: Session, order: Order, request: RefundRequest, *, fee_bps: int = 0, fee_minor: int = 0
) -> RefundPreview:
    """What the request gives back now. Reads only; whoever opens the refund locks the order first and asks again."""
    by_todays_rules = request.pricing == "today"
    units = require_refundable(session, order, request)
    quote = find_quote(session, order.quote_id)
    kept = kept_lines(session, order, _adjustments(quote))
    inclusive = order.prices_include_tax
    after_return: AfterReturn = "keep"
    if request.amount_minor is not None:
        lines = refund_amount(kept, request.amount_minor, prices_include_tax=inclusive)
    else:
        after_return = "re_evaluate" if by_todays_rules else _declared(session, quote)
        repriced = None
        if after_return != "keep" and quote is not None:
            repriced = _repriced(session, quote, kept, units, by_todays_rules=by_todays_rules)
        lines = refund_units(kept, units, prices_include_tax=inclusive, after_return=after_return, repriced=repriced)
    _require_decided(session, order, lines)
    total = sum(line.total_minor for line in lines)
    preview = _with_money(session, order, request, kept, lines, total, (fee_bps, fee_minor))
    preview = preview.model_copy(update={"after_return": after_return})
    return preview.model_copy(update={"sha256": preview_sha256(request, preview)})


def _with_money(
    session: Session,
    order: Order,
    request: RefundRequest,
    kept: tuple[KeptLine, ...],
    lines: tuple[RefundLine, ...],
    total: int,
    fee: tuple[int, int],
) -> RefundPreview:
    refundable = kept_total(kept, prices_include_tax=order.prices_include_tax)
    payments = payments_of_order(session, order.id)
    is_taken = request.kind is RefundKind.CHARGEBACK
    standing = _standing(session, order)
    unpaid = 0 if is_taken else min(total, standing.owed)
    fee_bps, fee_minor = fee
    # the fee is kept of what would go back, and is never more than that
    kept_fee = 0 if is_taken else min(total - unpaid, fee_minor + (2 * total * fee_bps + WHOLE_BPS) // (2 * WHOLE_BPS))
    due = total - unpaid - kept_fee
    if not is_taken:
        _require_there(order, request, standing, unpaid, due, refundable)
    return RefundPreview(
        order_id=order.id,
        number=order.number,
        kind=request.kind,
        currency=order.currency,
        after_return="keep",
        total_minor=total,
        fee_minor=kept_fee,
        unpaid_minor=unpaid,
        due_minor=due,
        lines=lines,
        sources=() if is_taken or request.destination == "wallet" else _sources(payments, due),
        refundable_minor=refundable,
    )


@dataclass(frozen=True, slots=True)
class _Standing:
    """What of an order the buyer has not paid, what of that is not being collected just now, and what a bank holds."""

    owed: int
    open: int
    held: int


def _standing(session: Session, order: Order) -> _Standing:
    """Refunds that are under way have taken their part of what is owed already."""
    dues = schedule_of(session, order.id)
    going = sum(found.unpaid_minor for found in refunds_of(session, order.id) if found.status in UNDER_WAY)
    of_status = Counter[DueStatus]()
    for due in dues:
        of_status[due.status] += due.amount_minor
    owed = of_status[DueStatus.OPEN] + of_status[DueStatus.COLLECTING]
    held = sum(dispute.amount_minor or order.total_minor for dispute in disputes_open(session, order.id))
    return _Standing(owed=max(0, owed - going), open=max(0, of_status[DueStatus.OPEN] - going), held=held)


def _require_there(order: Order, request: RefundRequest, standing: _Standing, unpaid: int, due: int, kept: int) -> None:
    """What the buyer never paid is taken off what is open; what a bank holds is not given back as well."""
    if unpaid > standing.open:
        raise UnavailableError(
            "payment.due_collecting",
            "A part of what is due later is being collected right now.",
            mend="Try again in a moment.",
        )
    if due > 0 and request.destination == "wallet" and order.buyer_id is None:
        raise RefusedError(
            "transaction.wallet_unknown",
            "A guest has no wallet to give the money back to.",
            mend="Give it back to what it was paid from.",
            field="destination",
        )
    there = max(0, kept - standing.owed - standing.held)
    if due > there:
        raise refused_too_much(due, there)


def _require_decided(session: Session, order: Order, lines: tuple[RefundLine, ...]) -> None:
    """The last units of a line go back only when no other refund that moves its amounts alone may still come to nothing.

    Otherwise what that one had moved would be kept of a line of which nothing is left to be returned.
    """
    last = {line.line_id for line in lines if line.units and line.units_before + line.units == line.quantity}
    for found in refunds_of(session, order.id) if last else ():
        moved = {line.line_id for line in found.lines if not line.units}
        if found.status in UNDER_WAY and moved & last:
            raise UnavailableError(
                "transaction.refund_under_way",
                f"Refund {found.number} is under way and changes what is kept of the same lines.",
                mend="Decide it first, or wait until it is through; then try again.",
                refund_id=found.id,
            )


def _sources(payments: tuple[Payment, ...], due_minor: int) -> tuple[SourceShare, ...]:
    """The same cumulative shares, in the recorded order, that the payment step will use."""
    if due_minor == 0:
        return ()
    left = [payment.left_minor for payment in payments]
    if due_minor > sum(left):
        raise refused_too_much(due_minor, sum(left))
    return tuple(
        SourceShare(payment_id=payment.id, method=payment.method, amount_minor=amount)
        for payment, amount in zip(payments, share_back(due_minor, left), strict=True)
        if amount
    )


# --- what rules gave, then and for what is kept -------------------------------------------------------------------


def _adjustments(quote: Quote | None) -> dict[str, tuple[RefundAdjustment, ...]]:
    return {} if quote is None else {line.id: _given(line) for line in quote.lines}


def _given(line: QuoteLine) -> tuple[RefundAdjustment, ...]:
    """What each rule took off the line; one rule's effect may have come off in several steps."""
    given: Counter[tuple[str, str, str | None, int]] = Counter()
    for found in line.adjustments:
        given[found.rule_id, found.release_id, found.coupon_code, found.effect_index] += found.given_minor
    return tuple(
        RefundAdjustment(rule_id=rule, release_id=release, coupon_code=coupon, effect_index=index, given_minor=amount)
        for (rule, release, coupon, index), amount in given.items()
        if amount
    )


def _declared(session: Session, quote: Quote | None) -> AfterReturn:
    """What the order's own release says about the discounts of what is kept; the first release holds, as in pricing."""
    if quote is None or not quote.release_ids:
        return "keep"
    return options_of(release_to_decide(session, quote.release_ids[0]).document.options).after_return


def _repriced(
    session: Session,
    quote: Quote,
    kept: tuple[KeptLine, ...],
    units: Mapping[str, int],
    *,
    by_todays_rules: bool,
) -> dict[str, LineAmounts]:
    """What the goods that stay cost alone, by line; empty where none stay."""
    stays = {line.line_id: line.units - units.get(line.line_id, 0) for line in kept if line.kind == GOODS}
    cart = cart_of(session, quote.id)
    lines = tuple(
        line.model_copy(update={"quantity": stays[line.id]}) for line in cart.lines if stays.get(line.id, 0) > 0
    )
    if not lines:
        return {}
    stay = cart.model_copy(update={"lines": lines})
    if by_todays_rules:
        live = live_release(session, PROMOTIONS.name, BusinessIdentity(cart.business, cart.scenario))
        alone = price_cart(stay.model_copy(update={"at": now()}), [] if live is None else [live])
    else:
        alone = quote_like(session, quote, stay)
    return {
        line.id: LineAmounts(
            net_minor=line.net_minor,
            tax_minor=line.tax_minor,
            discount_minor=line.discount_minor,
            adjustments=_given(line),
        )
        for line in alone.lines
        if line.kind == GOODS and line.quantity == stays.get(line.id)
    }


# --- facts for the policy -----------------------------------------------------------------------------------------


def days_since(session: Session, order: Order, moment: date | None) -> int | None:
    """Whole days from that day until today, in the business's own zone; None without a day."""
    return None if moment is None else (_today(session, order) - moment).days


def days_until_start(session: Session, order: Order) -> int | None:
    """Days until what was sold begins, where it has such a day; below zero once it has begun."""
    begins = begins_on.for_identity(BusinessIdentity(order.business, order.scenario))(order)
    return None if begins is None else (begins - _today(session, order)).days


def _today(session: Session, order: Order) -> date:
    return now().astimezone(zone_of(session, order)).date()


def zone_of(session: Session, order: Order) -> ZoneInfo:
    """The zone in which the business counts its days."""
    return ZoneInfo(business_of(session, order.business).time_zone)
