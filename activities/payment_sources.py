"""The sources an order is paid from: which there are, who takes them, and what stored value pays.

Stored value (gift cards, points, wallets) stands in our own ledger: it is reserved by pending transfers in the checkout's
first transaction and posted in its last. The payment's events tell it as a provider would, so all sources fold alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from activities.payment_routing import routed
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.contract import AskedSource, PreparePayment, kind_of_method
from capabilities.payment.sharing import allot
from capabilities.transaction.contract import Order, PaymentSource

LEDGER = "ledger"
"""The provider of stored value: our own books."""


def payments_asked(order: Order, method: str, sources: Sequence[PaymentSource]) -> list[PreparePayment]:
    """The payments of an order, one a source in the recorded order; without sources one card pays all."""
    asked = [AskedSource(**source.model_dump()) for source in sources] or [AskedSource(method=method)]
    return [
        PreparePayment(
            business=order.business,
            order_id=order.id,
            method=source.method,
            currency=order.currency,
            amount_minor=amount,
            position=position,
            reference=source.reference,
            provider=LEDGER if kind_of_method(source.method).is_stored else None,
        )
        for position, (source, amount) in enumerate(zip(asked, allot(order.total_minor, asked), strict=True))
    ]


def card_payments(
    session: Session, identity: BusinessIdentity, order: Order, method: str, sources: Sequence[PaymentSource]
) -> list[PreparePayment]:
    """Those of the payments that providers take, each sent to its provider by the rules where any are live."""
    asked = payments_asked(order, method, sources)
    cards = [one for one in asked if not kind_of_method(one.method).is_stored]
    return routed(session, identity, order, cards, sources=len(asked))
