"""Try a draft on a hand-made cart (or, for other decisions, on hand-made facts): what it gives, and why not more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.explaining import verdicts
from activities.gifts import with_gifts
from activities.pricing import price_cart
from activities.stage_loop import run_stages
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import PlatformError
from capabilities.marketing.contract import Cart, CartBuyer, CartDelivery, CartLine
from capabilities.marketing.queries import coupon_states
from capabilities.transaction.contract import Offer, OfferKind
from capabilities.transaction.queries import list_offers
from rules.check import check
from rules.document import RuleSetDocument
from rules.queries import LiveRelease
from rules.vocabulary import FactWord, fact_words
from web.access.permissions import Action
from web.console.edge import ConsoleRoute
from web.console.fact_trials import FactTrial, fact_trial
from web.console.formats import money
from web.console.pages import page
from web.console.receipts import Receipt, Told, receipt
from web.console.rule_input import plain
from web.console.rule_sets import Opening, RuleSetHead, open_rule_set
from web.console.rule_words import Wording
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

LINES = 5
MAX_PIECES = 1_000_000


@dataclass(frozen=True, slots=True)
class CartForm:
    """What was put into the hand-made cart, as typed."""

    lines: tuple[tuple[str, str], ...]
    delivery: str
    tier: str
    order_number: str
    coupons: str


@dataclass(frozen=True)
class TryPage:
    """The cart's form and its receipt under the draft, beside the total under what is live."""

    head: RuleSetHead
    form: CartForm
    offers: tuple[tuple[str, str, str], ...]
    deliveries: tuple[tuple[str, str], ...]
    tiers: tuple[tuple[str, str], ...]
    receipt: Receipt | None
    live_total_minor: int | None
    left_out: int
    errors: dict[str, str]
    facts: FactTrial | None
    tab: str = "/try"


@router.get("/console/{business}/rules/{rule_set_id}/try", name="try_rules")
def try_rules(visit: Annotated[Visit, Depends(Needs(Action.TRY_RULES))], rule_set_id: str) -> Response:
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
        if opening.rule_set.decision != "marketing.promotions":
            return _fact_page(visit, opening)
        context = _cart_page(session, visit, opening)
    return page(visit, "rules/try.html", context, block="trial", status=422 if context.errors else 200)


def _fact_page(visit: Visit, opening: Opening) -> Response:
    trial = fact_trial(_usable(opening.document)[0], opening.wording, visit.request.query_params)
    context = TryPage(
        head=opening.head,
        form=CartForm((), "", "", "", ""),
        offers=(),
        deliveries=(),
        tiers=(),
        receipt=None,
        live_total_minor=None,
        left_out=0,
        errors=trial.errors,
        facts=trial,
    )
    return page(visit, "rules/try.html", context, block="trial", status=422 if trial.errors else 200)


def _cart_page(session: Session, visit: Visit, opening: Opening) -> TryPage:
    offers = list_offers(session, visit.business.business, limit=200).offers
    by_sku = {offer.sku: offer for offer in offers}
    form = _read_form(visit, offers)
    wording = opening.wording
    tier = next((w for w in fact_words(opening.rule_set.decision, "order") if w.name == "buyer.tier"), None)
    result, live_total, left_out, errors = _price(session, visit, opening, form, by_sku)
    return TryPage(
        head=opening.head,
        form=form,
        offers=tuple(
            (o.sku, wording.either(o.name_en, o.name_zh), money(o.unit_price_minor, o.currency))
            for o in offers
            if o.kind is OfferKind.GOODS
        ),
        deliveries=tuple((o.sku, wording.either(o.name_en, o.name_zh)) for o in offers if o.kind is OfferKind.DELIVERY),
        tiers=_tiers(tier, wording),
        receipt=result,
        live_total_minor=live_total,
        left_out=left_out,
        errors=errors,
        facts=None,
    )


def _tiers(word: FactWord | None, wording: Wording) -> tuple[tuple[str, str], ...]:
    return tuple((code, wording.either(*names)) for code, names in word.word.choices.items()) if word else ()


def _read_form(visit: Visit, offers: tuple[Offer, ...]) -> CartForm:
    """From the address; a first visit gets a cart worth looking at."""
    query = visit.request.query_params
    goods = [offer.sku for offer in offers if offer.kind is OfferKind.GOODS]
    lines = [(query.get(f"sku{i}", ""), plain(query.get(f"quantity{i}", ""))) for i in range(1, LINES + 1)]
    if not query and goods:
        lines[0] = (goods[0], "2")
    return CartForm(
        lines=tuple(lines),
        delivery=query.get("delivery", ""),
        tier=query.get("tier", "standard"),
        order_number=plain(query.get("order_number", "2")),
        coupons=query.get("coupons", "")[:200],
    )


def _price(
    session: Session, visit: Visit, opening: Opening, form: CartForm, by_sku: dict[str, Offer]
) -> tuple[Receipt | None, int | None, int, dict[str, str]]:
    """The receipt under the draft, the total under live, how many unfinished rules were left out, what was wrong."""
    errors: dict[str, str] = {}
    lines = _cart_lines(form, by_sku, errors)
    number = int(form.order_number) if form.order_number.isdigit() and int(form.order_number) > 0 else None
    if number is None:
        errors["order_number"] = N_("Write a whole number such as 3.")
    if errors or not lines or number is None:
        return None, None, 0, errors
    cart = _cart(visit, form, lines, number, by_sku.get(form.delivery))
    coupons = coupon_states(session, visit.business.business, cart.coupon_codes, cart.at)
    document, left_out = _usable(opening.document)
    release = LiveRelease.of(document, opening.rule_set.id)
    cart = with_gifts(session, cart, [release], {})
    try:
        quote = price_cart(cart, [release], coupons)
        found = verdicts(run_stages(cart, [release], coupons), release, quote)
        live = price_cart(cart, [LiveRelease.of(opening.live, opening.rule_set.id)], coupons)
    except PlatformError as error:
        return None, None, left_out, {"cart": error.message}
    names = {sku: opening.wording.either(offer.name_en, offer.name_zh) for sku, offer in by_sku.items()}
    told = {release.release_id: Told({rule.id: rule for rule in document.rules}, opening.head.path)}
    return receipt(quote, found, names, told, opening.wording), live.total_minor, left_out, {}


def _cart_lines(form: CartForm, by_sku: dict[str, Offer], errors: dict[str, str]) -> list[CartLine]:
    lines = []
    for i, (sku, quantity) in enumerate(form.lines, start=1):
        if not sku:
            continue
        if sku not in by_sku:
            errors[f"sku{i}"] = N_("This is not sold here.")
        elif not quantity.isdigit() or not 0 < int(quantity) <= MAX_PIECES:
            errors[f"quantity{i}"] = N_("Write a whole number such as 3.")
        else:
            lines.append(_cart_line(f"l{i}", by_sku[sku], int(quantity)))
    return lines


def _cart_line(line_id: str, offer: Offer, quantity: int) -> CartLine:
    return CartLine(
        id=line_id,
        sku=offer.sku,
        product=offer.product,
        category=offer.category,
        brand=offer.brand,
        seller=offer.seller_id,
        tags=offer.tags,
        attributes=offer.attributes,
        quantity=quantity,
        unit_price_minor=offer.unit_price_minor,
        list_price_minor=offer.list_price_minor,
        floor_price_minor=offer.floor_price_minor,
        tax_rate_bps=offer.tax_rate_bps,
        weight_g=offer.weight_g,
    )


def _cart(visit: Visit, form: CartForm, lines: list[CartLine], number: int, delivery: Offer | None) -> Cart:
    here = visit.business
    return Cart(
        business=here.business,
        currency=here.currency,
        country=here.country,
        at=now(),
        time_zone=here.time_zone,
        prices_include_tax=here.prices_include_tax,
        buyer=CartBuyer(id="trial", tier=form.tier, order_number=number),
        coupon_codes=tuple(c.strip() for c in form.coupons.replace("，", ",").split(",") if c.strip())[:20],
        lines=tuple(lines),
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


def _usable(document: RuleSetDocument) -> tuple[RuleSetDocument, int]:
    """The document without its unfinished rules: they are not in force."""
    broken = {problem.rule_id for problem in check(document) if problem.severity == "block"}
    kept = tuple(rule for rule in document.rules if rule.id not in broken)
    return replace(document, rules=kept), len(document.rules) - len(kept)
