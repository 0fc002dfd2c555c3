"""Pricing a checkout: offers and the buyer become a cart, the live rules decide, marketing computes the quote.

`price_cart` is the one way from a cart to a quote: the API's quotes, the checkout, evaluation of files and explanations
all go through it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.buyer_points import with_points
from activities.catalogue import StepContext, operation
from activities.explaining import explain_quote
from activities.gifts import with_gifts
from activities.limits import circumstances_of, within_limits
from activities.prices import repricing
from activities.stage_loop import run_stages
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, PlatformError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import derived_id
from capabilities.marketing.contract import (
    Allowance,
    Cart,
    CartBuyer,
    CartDelivery,
    CartLine,
    CouponState,
    CouponUse,
    Quote,
)
from capabilities.marketing.extensions import quote_minutes
from capabilities.marketing.pricing import finish
from capabilities.marketing.queries import coupon_states, find_quote
from capabilities.marketing.service import save_quote
from capabilities.transaction.contract import CheckoutRequest
from capabilities.transaction.queries import resolve_checkout
from capabilities.user.contract import AdmitBuyer, AdmittedBuyer
from capabilities.user.service import admit_buyer
from rules.queries import LiveRelease, live_release

__all__ = ["PriceRequest", "PricedCheckout", "explain_quote", "price", "price_cart", "quote_for", "shown_id"]

DECISION = "marketing.promotions"
MOST_REASON = 500


class StepType(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceRequest(StepType):
    """The checkout as asked, and who buys."""

    checkout: CheckoutRequest
    buyer: AdmittedBuyer


class PricedCheckout(StepType):
    """What later steps and decisions need of a quote; the quote itself stays in the database."""

    quote_id: str
    currency: str
    goods_gross_minor: int
    discount_minor: int
    delivery_minor: int
    tax_minor: int
    total_minor: int
    quantity: int
    lines: int
    hour: int
    release_ids: tuple[str, ...]
    rewards: int = 0
    """How many rewards the quote promises: points, cashback, coupons."""
    review: str | None = None
    """Why a rule wants a person to look at the order before money is asked for."""


def price_cart(
    cart: Cart,
    rule_sets: Sequence[LiveRelease],
    coupons: Mapping[str, CouponState] | None = None,
    *,
    allowances: Iterable[Allowance] = (),
    valid_for: timedelta = timedelta(minutes=30),
) -> Quote:
    """The quote of a cart under these releases, within these allowances; touches nothing but the rule engine.

    Its id tells what the buyer is shown and until when, so that a checkout can name a quote nobody had to store.
    """
    priced = run_stages(cart, rule_sets, coupons, allowances)
    quote = finish(
        priced.state,
        quote_id="",
        created_at=cart.at,
        expires_at=cart.at + valid_for,
        release_ids=tuple(release.release_id for release in rule_sets),
        coupons=priced.coupons,
        hints=priced.hints,
    )
    return quote.model_copy(update={"id": shown_id(quote)})


def quote_for(session: Session, checkout: CheckoutRequest, buyer: AdmittedBuyer | None = None) -> Quote:
    """What this checkout would cost now. Writes nothing; refuses buyers who may not buy."""
    return _priced(session, checkout, buyer).quote


@operation("marketing.price", en="Price the cart", zh="计算价格")
def price(session: Session, context: StepContext, request: PriceRequest) -> PricedCheckout:
    """Price by the releases live in this very transaction, and keep the quote.

    Refused where a coupon the buyer entered cannot be used, or the price is not the one the buyer was shown.
    """
    checkout = request.checkout
    priced = _priced(session, checkout, request.buyer)
    quote, cart = priced.quote, priced.cart
    _require_usable_coupons(quote)
    if not _is_agreed(session, checkout, quote):
        _require_applied_coupons(quote)
    kept = quote.model_copy(update={"id": derived_id("quo", context.key)})
    save_quote(session, kept, cart, priced.circumstances)
    return PricedCheckout(
        quote_id=kept.id,
        currency=kept.currency,
        goods_gross_minor=kept.goods_gross_minor,
        discount_minor=kept.discount_minor,
        delivery_minor=kept.delivery_minor,
        tax_minor=kept.tax_minor,
        total_minor=kept.total_minor,
        quantity=sum(line.quantity for line in cart.lines),
        lines=len(cart.lines),
        hour=cart.at.astimezone(ZoneInfo(cart.time_zone)).hour,
        release_ids=kept.release_ids,
        review=_review_of(kept),
        rewards=sum(reward.kind in ("points", "cashback", "coupon") for reward in kept.rewards),
    )


def _review_of(quote: Quote) -> str | None:
    """The reasons of the rules that hold the order for a person, each once; where one gives none, its name."""
    asked = dict.fromkeys(reward.text or reward.rule_name for reward in quote.rewards if reward.kind == "hold")
    return "; ".join(asked)[:MOST_REASON] or None


# --- from a checkout to a cart ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Priced:
    """A quote, the cart it is of, and what else was known of limits and coupons."""

    quote: Quote
    cart: Cart
    circumstances: dict[str, Any]


def _priced(session: Session, checkout: CheckoutRequest, buyer: AdmittedBuyer | None) -> _Priced:
    admitted = buyer or admit_buyer(session, AdmitBuyer(business=checkout.business, buyer_id=checkout.buyer_id))
    identity = BusinessIdentity(checkout.business, checkout.scenario)
    release = live_release(session, DECISION, identity)
    releases = [] if release is None else [release]
    cart = with_points(session, _cart(session, checkout, admitted), releases)
    cart = with_gifts(session, cart, releases, checkout.gift_choices)
    coupons = coupon_states(session, checkout.business, checkout.coupon_codes, cart.at, buyer_id=admitted.buyer_id)
    valid_for = timedelta(minutes=quote_minutes.for_identity(identity)())

    def price_within(allowances: Iterable[Allowance]) -> Quote:
        return price_cart(cart, releases, coupons, allowances=allowances, valid_for=valid_for)

    quote, allowances = within_limits(session, cart, releases, price_within(()), price_within)
    return _Priced(quote, cart, circumstances_of(allowances, coupons))


def _cart(session: Session, checkout: CheckoutRequest, buyer: AdmittedBuyer) -> Cart:
    """Prices, categories and floors come from the offers, never from the caller."""
    business = business_of(session, checkout.business)
    at = now()
    reprice = repricing(session, business, checkout, buyer, at)
    resolved = resolve_checkout(session, checkout, reprice)
    lists = {} if reprice is None else reprice.lists
    delivery = resolved.delivery
    return Cart(
        business=checkout.business,
        scenario=checkout.scenario,
        channel=checkout.channel,
        country=checkout.country,
        currency=checkout.currency,
        home_currency=business.currency,
        at=at,
        time_zone=business.time_zone,
        prices_include_tax=business.prices_include_tax,
        buyer=CartBuyer(
            id=buyer.buyer_id,
            tier=buyer.tier,
            tags=buyer.tags,
            segments=buyer.segments,
            order_number=buyer.order_number,
            first_order_at=buyer.first_order_at,
            lifetime_minor=max(0, buyer.lifetime_value_minor),
            birthday=buyer.birthday,
        ),
        coupon_codes=checkout.coupon_codes,
        payment_method=checkout.payment_method,
        lines=tuple(
            CartLine(
                id=line.line_id,
                sku=line.offer.sku,
                product=line.offer.product,
                category=line.offer.category,
                brand=line.offer.brand,
                seller=line.offer.seller_id,
                tags=line.offer.tags,
                attributes=line.offer.attributes,
                quantity=line.quantity,
                unit_price_minor=line.offer.unit_price_minor,
                list_price_minor=line.offer.list_price_minor,
                floor_price_minor=line.offer.floor_price_minor,
                tax_rate_bps=line.offer.tax_rate_bps,
                weight_g=line.offer.weight_g,
                price_list=lists.get(line.offer.sku),
            )
            for line in resolved.lines
        ),
        deliveries=()
        if delivery is None
        else (
            CartDelivery(
                id="d1",
                sku=delivery.sku,
                price_minor=delivery.unit_price_minor,
                tax_rate_bps=delivery.tax_rate_bps,
            ),
        ),
    )


# --- what the buyer agreed to -----------------------------------------------------------------------------------


def shown_id(quote: Quote) -> str:
    """The id of a quote by what the buyer sees of it, and its end: `quo_<26 characters>-<seconds, hexadecimal>`.

    Which release decided is left out: a publish that changes no amount asks nobody to agree again.
    """
    seen = {
        "business": quote.business,
        "currency": quote.currency,
        "total_minor": quote.total_minor,
        "tax_minor": quote.tax_minor,
        "lines": sorted((line.kind, line.sku, line.quantity, line.total_minor) for line in quote.lines),
        "coupons": sorted((use.code, use.state) for use in quote.coupons),
    }
    shown = hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
    return f"{derived_id('quo', shown)}-{int(quote.expires_at.timestamp()):x}"


def _is_agreed(session: Session, checkout: CheckoutRequest, quote: Quote) -> bool:
    """Whether the buyer agreed to exactly this; a difference asks again, with the new quote."""
    expected = checkout.expected_total_minor
    if expected is not None and expected != quote.total_minor:
        raise _changed(quote, "The total is not the one the buyer was shown.")
    if checkout.quote_id is None:
        return expected is not None
    named, expires_at = _named(session, checkout)
    if named != shown_id(quote).partition("-")[0]:
        raise _changed(quote, "The price is not the one of the quote the buyer was shown.")
    if expires_at <= quote.created_at:
        raise _changed(quote, "The quote the buyer was shown has expired.", code="transaction.quote_expired")
    return True


def _named(session: Session, checkout: CheckoutRequest) -> tuple[str, datetime]:
    """What the named quote showed, and until when it stood."""
    quote_id = checkout.quote_id or ""
    stored = find_quote(session, quote_id)
    if stored is not None and stored.business == checkout.business:
        return shown_id(stored).partition("-")[0], stored.expires_at
    shown, _, seconds = quote_id.partition("-")
    try:
        return shown, datetime.fromtimestamp(int(seconds, 16), UTC)
    except (ValueError, OverflowError, OSError):
        raise ConflictError(
            "transaction.quote_unknown",
            "There is no such quote, so nobody knows what the buyer agreed to.",
            mend="Ask for a new quote and show its total.",
            quote_id=quote_id,
        ) from None


def _changed(quote: Quote, message: str, *, code: str = "transaction.total_changed") -> ConflictError:
    return ConflictError(
        code,
        message,
        mend="Show the new quote, and name it or its total in the next checkout.",
        total_minor=quote.total_minor,
        currency=quote.currency,
        quote=quote.model_dump(mode="json"),
    )


def _require_usable_coupons(quote: Quote) -> None:
    """A code that cannot be used refuses, whatever total was agreed to: the reason says more than the new total."""
    for use in quote.coupons:
        if use.state not in ("applied", "not_applicable"):
            raise _coupon_refusal(use, quote)


def _require_applied_coupons(quote: Quote) -> None:
    """Nobody is charged undiscounted without agreeing."""
    for use in quote.coupons:
        if use.state != "applied":
            raise _coupon_refusal(use, quote)


def _coupon_refusal(use: CouponUse, quote: Quote) -> PlatformError:
    reason = use.reason or f"The coupon {use.code} does not apply to this cart."
    kind = ConflictError if use.state == "used_up" else RefusedError
    return kind(
        f"marketing.coupon_{use.state}",
        reason,
        mend="Check out without the coupon, or agree to the total by naming it.",
        coupon=use.code,
        reason=use.state,
        total_minor=quote.total_minor,
        currency=quote.currency,
    )
