"""What rules say of commissions and of how long sellers wait: facts in, fee models and terms out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from activities.deciding import decided_by
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.expression import tests_of
from capabilities.kernel.identity import BusinessIdentity
from capabilities.settlement.commission_decision import (
    CommissionLineFacts,
    CommissionOrderFacts,
    CommissionSellerFacts,
)
from capabilities.settlement.contract import CommissionRate, FeeTier, FreezeCommission, Maturing, SoldLine
from capabilities.settlement.maturing_decision import MaturingOrderFacts, MaturingSellerFacts
from capabilities.settlement.queries import volumes_of
from capabilities.transaction.contract import Order
from rules.facts import flat_facts
from rules.queries import LiveRelease

VOLUME = "seller.volume_minor"


def rated_by_rules(
    session: Session, order: Order, sale: FreezeCommission, release: LiveRelease
) -> tuple[SoldLine, ...]:
    """The lines of a sale with the fee the deciding rule makes of each; no rule for a line: as it was."""
    identity = BusinessIdentity(order.business, order.scenario)
    volumes = _volumes(session, order, sale) if _asks_volume(release) else {}
    discounts = {line.line_id: line.discount_minor for line in order.lines}
    gross = sum(line.gross_minor for line in order.lines if line.kind == "goods")
    about = CommissionOrderFacts(
        channel=order.channel,
        country=order.country,
        currency=order.currency,
        discount_bps=min(10_000, order.discount_minor * 10_000 // gross) if gross else 0,
    )
    rated = []
    for line in sale.lines:
        volume = volumes.get(line.seller_id, 0)
        facts = {
            "line": CommissionLineFacts(
                category=line.category,
                amount_minor=line.base_minor,
                quantity=line.quantity,
                discount_minor=discounts[line.line_id],
            ),
            "order": about,
            "seller": CommissionSellerFacts(id=line.seller_id, volume_minor=volume),
        }
        decided = decided_by(session, identity, release, flat_facts(facts), order.buyer_id)
        rate = fee_model(decided.effects, decided.reason or "")
        known = {"rate": rate, "release_id": None if rate is None else decided.release_id, "volume_minor": volume}
        rated.append(line.model_copy(update=known))
        volumes[line.seller_id] = volume + line.base_minor
    return tuple(rated)


def fee_model(effects: Sequence[Mapping[str, Any]], reason: str) -> CommissionRate | None:
    """The fee that the effects of a rule make up together; a rule has one of each kind."""
    if not effects:
        return None
    asked: dict[str, Any] = {"reason": reason}
    for effect in effects:
        match effect["kind"]:
            case "commission_tiers":
                asked["tiers"] = tuple(FeeTier.model_validate(tier) for tier in effect["tiers"])
                asked["tiers_by"] = effect.get("by", "amount")
            case "channel_fee":
                asked["channel_rate_bps"] = effect["rate_bps"]
                asked["channel_flat_minor"] = effect.get("amount_minor", 0)
            case kind:
                field, given = _FIELDS[kind]
                asked[field] = effect[given]
    return CommissionRate(**asked)


_FIELDS = {
    "commission_percent": ("rate_bps", "rate_bps"),
    "commission_per_unit": ("per_unit_minor", "amount_minor"),
    "commission_per_order": ("per_order_minor", "amount_minor"),
    "commission_floor": ("lowest_minor", "amount_minor"),
    "commission_cap": ("highest_minor", "amount_minor"),
    "commission_tax": ("tax_rate_bps", "rate_bps"),
    "withhold_tax": ("withheld_bps", "rate_bps"),
}


def maturing_by_rules(
    session: Session, order: Order, seller_id: str, amount_minor: int, release: LiveRelease, standard: Maturing
) -> Maturing:
    """How long this seller waits for this order by the live rules; what no effect names stays as the standard has it."""
    facts = {
        "order": MaturingOrderFacts(
            channel=order.channel, country=order.country, currency=order.currency, amount_minor=amount_minor
        ),
        "seller": MaturingSellerFacts(id=seller_id),
    }
    identity = BusinessIdentity(order.business, order.scenario)
    decided = decided_by(session, identity, release, flat_facts(facts), order.buyer_id)
    known: dict[str, Any] = {}
    for effect in decided.effects:
        if effect["kind"] == "pay_after":
            known.setdefault("days", effect["days"])
            known.setdefault("starts", effect.get("starts", standard.starts))
        else:
            known.setdefault("reserve_bps", effect["rate_bps"])
            known.setdefault("reserve_days", effect["days"])
    return standard.model_copy(update=known)


def _asks_volume(release: LiveRelease) -> bool:
    """Whether any rule needs to know what a seller sold: a sum nobody asks for is not added up."""
    return any(
        any(test.field == VOLUME for test in tests_of(rule.when))
        or any(effect.get("by") == "volume" for effect in rule.effects)
        for rule in release.document.rules
    )


def _volumes(session: Session, order: Order, sale: FreezeCommission) -> dict[str, int]:
    sellers = sorted({line.seller_id for line in sale.lines})
    return volumes_of(
        session, order.business, sellers, currency=order.currency, since=_month_began(session, order.business)
    )


def _month_began(session: Session, business: str) -> datetime:
    zone = business_of(session, business).zone
    return now().astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
