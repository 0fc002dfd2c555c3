"""Gifts in a cart: what live rules may give away, as it is offered now, and what the buyer chose of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from activities.stage_loop import prepared
from capabilities.marketing.contract import Cart, GiftChoice, GiftOffer
from capabilities.transaction.contract import OfferKind
from capabilities.transaction.queries import offers_of
from rules.queries import LiveRelease


def with_gifts(session: Session, cart: Cart, releases: Sequence[LiveRelease], choices: Mapping[str, str]) -> Cart:
    """The cart with the offers its rules may give, where any rule gives something; prices never come from the caller.

    What is not sold here, or in another currency, cannot be given either.
    """
    skus = frozenset().union(*(prepared(release).gift_skus for release in releases))
    if not skus:
        return cart
    ordered: dict[str, int] = {}
    for line in cart.lines:
        ordered[line.sku] = ordered.get(line.sku, 0) + line.quantity
    offers = offers_of(session, cart.business, skus)
    return cart.model_copy(
        update={
            "gift_offers": tuple(
                GiftOffer(
                    sku=sku,
                    unit_price_minor=offer.unit_price_minor,
                    tax_rate_bps=offer.tax_rate_bps,
                    weight_g=offer.weight_g,
                    available_units=None
                    if offer.available_units is None
                    else max(0, offer.available_units - ordered.get(sku, 0)),
                )
                for sku, offer in sorted(offers.items())
                if offer.kind is OfferKind.GOODS and offer.currency == cart.currency
            ),
            "gift_choices": tuple(GiftChoice(rule_id=rule, sku=sku) for rule, sku in sorted(choices.items())),
        }
    )
