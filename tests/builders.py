"""Builders of test data, shared by all tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.business import Business
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import DeclareOffer, OfferKind, OpenOrder, OpenOrderLine
from capabilities.transaction.service import declare_offer
from rules.document import Names, document_from_json
from rules.gate import GateReport
from rules.queries import rule_sets
from rules.service import approve, create_rule_set, open_draft, save_draft, submit


def a_business(session: Session, code: str = "retail", *, prices_include_tax: bool = True) -> Business:
    """A line of business that exists."""
    found = session.get(Business, code)
    if found is None:
        found = Business(
            business=code,
            name_en=code.title(),
            name_zh=code,
            currency="CNY",
            country="CN",
            time_zone="Asia/Shanghai",
            locale="zh_CN",
            prices_include_tax=prices_include_tax,
            created_at=now(),
        )
        session.add(found)
        session.flush()
    return found


def an_offer(
    session: Session,
    sku: str = "tea",
    *,
    business: str = "retail",
    price: int = 100_00,
    stock: int | None = 100,
    kind: OfferKind = OfferKind.GOODS,
    seller: str = "s_one",
    category: str = "food/drinks/tea",
    currency: str = "CNY",
    tax_rate_bps: int = 1300,
    attributes: dict[str, str] | None = None,
) -> str:
    """An offer that exists; returns its sku."""
    request = DeclareOffer(
        attributes=attributes or {},
        business=business,
        sku=sku,
        kind=kind,
        name_en=f"{sku} (en)",
        name_zh=f"{sku}（中）",
        product=sku,
        category=category,
        brand="Brand",
        seller_id=seller,
        currency=currency,
        unit_price_minor=price,
        tax_rate_bps=tax_rate_bps,
        on_hand_units=stock,
    )
    declare_offer(session, request)
    return sku


def an_open_order(
    pieces: Sequence[tuple[str, int]] = (("tea", 1),),
    *,
    run_id: str = "run_1",
    business: str = "retail",
    price: int = 100_00,
    buyer_id: str | None = None,
    quote_id: str = "q_1",
    scenario: str | None = None,
) -> OpenOrder:
    """The command that opens an order of `pieces` at one price, tax included, nothing off."""
    lines = tuple(
        OpenOrderLine(
            line_id=f"l{number}",
            sku=sku,
            quantity=quantity,
            unit_price_minor=price,
            gross_minor=price * quantity,
            discount_minor=0,
            net_minor=price * quantity,
            tax_rate_bps=0,
            tax_minor=0,
            total_minor=price * quantity,
        )
        for number, (sku, quantity) in enumerate(pieces, 1)
    )
    total = sum(line.total_minor for line in lines)
    return OpenOrder(
        run_id=run_id,
        business=business,
        scenario=scenario,
        buyer_id=buyer_id,
        currency="CNY",
        prices_include_tax=True,
        quote_id=quote_id,
        goods_gross_minor=total,
        discount_minor=0,
        delivery_minor=0,
        tax_minor=0,
        total_minor=total,
        lines=lines,
    )


def live_rules(
    session: Session,
    *rules: dict[str, Any],
    business: str = "retail",
    decision: str = "marketing.promotions",
    **document: Any,
) -> str:
    """Rules in force, published by two people; returns the release's id. A second call publishes the next release."""
    body = {"decision": decision, "name": {"en": "Rules", "zh": "规则"}, "rules": list(rules)} | document
    identity = BusinessIdentity(business)
    known = [found for found in rule_sets(session, business) if found.decision == decision]
    rule_set = known[0] if known else create_rule_set(session, identity, decision, Names("Rules", "规则"), "editor")
    draft = open_draft(session, rule_set.id, "editor")
    draft = save_draft(session, rule_set.id, document_from_json(body), draft.revision, "editor")
    submission = submit(session, rule_set.id, draft.revision, "editor", gate=lambda _: GateReport(0, 0, 0, 0))
    return approve(session, submission.id, "approver").release_id
