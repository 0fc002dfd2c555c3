"""The points a buyer has, as a fact of promotions: read from the ledger only where a live rule asks for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from sqlalchemy.orm import Session

from capabilities.account.contract import POINTS_CURRENCY, AccountKind, AccountRef
from capabilities.account.queries import balance_of
from capabilities.kernel.expression import tests_of
from capabilities.marketing.contract import Cart
from rules.queries import LiveRelease

FACT = "buyer.points"
KEPT = 256
_asking: OrderedDict[str, bool] = OrderedDict()


def with_points(session: Session, cart: Cart, releases: Sequence[LiveRelease]) -> Cart:
    """The cart, with the points of its buyer where a rule asks for them."""
    if cart.buyer.id is None or not any(map(_asks_for_points, releases)):
        return cart
    account = AccountRef(business=cart.business, kind=AccountKind.POINTS, party=cart.buyer.id, currency=POINTS_CURRENCY)
    points = max(0, balance_of(session, account).available_minor)
    return cart.model_copy(update={"buyer": cart.buyer.model_copy(update={"points": points})})


def _asks_for_points(release: LiveRelease) -> bool:
    """Worked out once a content: a release never changes."""
    known = _asking.get(release.content_sha256)
    if known is None:
        rules = release.document.rules
        known = any(test.field == FACT for rule in rules if rule.enabled for test in tests_of(rule.when))
        _asking[release.content_sha256] = known
        while len(_asking) > KEPT:
            _asking.popitem(last=False)
    return known
