"""Prices of lists meet the offers: in a cart before it is priced, and where offers are shown. Steps that change lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.kernel.business import Business, business_of
from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError
from capabilities.marketing.price_contract import (
    ChangedPrices,
    EntryKey,
    ListCode,
    ListedPrice,
    PriceEntry,
    PriceListTerms,
    PriceQuestion,
    RowProblem,
    SavePriceList,
    SetPrices,
)
from capabilities.marketing.price_files import read_prices, write_prices
from capabilities.marketing.price_queries import all_entries, price_list_of, price_spans, prices_for, volume_prices
from capabilities.marketing.price_resolution import OWN_PRICE, Span, lowest_before
from capabilities.marketing.prices import save_price_list, set_prices
from capabilities.transaction.contract import CheckoutRequest, Offer
from capabilities.transaction.offer_prices import OwnPrice, own_prices
from capabilities.transaction.queries import offers_of
from capabilities.user.contract import AdmitBuyer, AdmittedBuyer
from capabilities.user.service import admit_buyer

MAX_FILE = 4_000_000
"""Characters of a file of prices."""

Offers = dict[str, Offer]


# --- in a cart --------------------------------------------------------------------------------------------------


def repricing(
    session: Session, business: Business, checkout: CheckoutRequest, buyer: AdmittedBuyer, at: datetime
) -> Repricing | None:
    """How the offers of this cart get the prices of lists; None, and nothing read, where the business has no list.

    A line may be one of several of the same sku: the quantity of a price is that of the whole cart.
    """
    if business.price_lists is None:
        return None
    quantities = Counter[str]()
    for line in checkout.lines:
        quantities[line.sku] += line.quantity
    if checkout.delivery_sku is not None:
        quantities[checkout.delivery_sku] = 1
    question = PriceQuestion.model_construct(
        currency=checkout.currency,
        channel=checkout.channel,
        tier=buyer.tier,
        segments=buyer.segments,
        at=at,
        quantities=dict(quantities),
    )

    return Repricing(session, business, question)


class Repricing:
    """Gives offers the prices of lists; afterwards `lists` says of which, by sku."""

    def __init__(self, session: Session, business: Business, question: PriceQuestion) -> None:
        self._session, self._business, self._question = session, business, question
        self.lists: dict[str, str] = {}

    def __call__(self, offers: Offers) -> Offers:
        listed = prices_for(self._session, self._business.business, self._business.price_lists, self._question)
        self.lists = {sku: price.list_code for sku, price in listed.items()}
        return {sku: with_price(offer, listed.get(sku)) for sku, offer in offers.items()}


def with_price(offer: Offer, listed: ListedPrice | None) -> Offer:
    """The offer as a list prices it. The floor never lies above the price; in another currency the offer's own says nothing."""
    if listed is None:
        return offer
    price = listed.unit_price_minor
    is_own_currency = listed.currency == offer.currency
    floor, was = listed.floor_price_minor, listed.was_price_minor
    if floor is None:
        floor = min(offer.floor_price_minor, price) if is_own_currency else 0
    if was is None and is_own_currency:
        was = offer.list_price_minor
    changed = {
        "currency": listed.currency,
        "unit_price_minor": price,
        "floor_price_minor": floor,
        "list_price_minor": was,
    }
    return offer.model_copy(update=changed)


# --- where offers are shown -------------------------------------------------------------------------------------


class VolumePrice(BaseModel):
    """What a piece costs from a quantity on."""

    from_quantity: int
    unit_price_minor: int


class ShownOffer(Offer):
    """An offer with the price that who asks would pay for one piece, and what to compare it with."""

    price_list: str | None = Field(default=None, description="The list the price comes from; null: the offer's own.")
    was_minor: int | None = Field(default=None, description="The price shown crossed out; only where it is higher.")
    lowest_30_days_minor: int | None = Field(
        default=None,
        description="The lowest price of the 30 days before the price of now began; the price of now where there was none.",
    )
    volume_prices: tuple[VolumePrice, ...] = Field(default=(), description="Prices of larger quantities.")


class ShownOfferPage(BaseModel):
    """One page of offers by category and sku; `next_cursor` is null on the last."""

    offers: tuple[ShownOffer, ...]
    next_cursor: str | None


class Audience(BaseModel):
    """Who looks at offers: a channel, a currency (None: the offers' own) and the groups of a buyer."""

    model_config = ConfigDict(frozen=True)

    channel: str = "web"
    currency: str | None = None
    tier: str | None = None
    segments: tuple[str, ...] = ()


def audience_of(
    session: Session, business: str, *, channel: str = "web", currency: str | None = None, buyer_id: str | None = None
) -> Audience:
    """Who looks: a guest, or a buyer with their groups. Refused and unknown as a checkout of theirs would be."""
    buyer = admit_buyer(session, AdmitBuyer(business=business, buyer_id=buyer_id)) if buyer_id else AdmittedBuyer()
    return Audience(channel=channel, currency=currency, tier=buyer.tier, segments=buyer.segments)


def shown_offers(
    session: Session, business_code: str, offers: Iterable[Offer], audience: Audience | None = None
) -> tuple[ShownOffer, ...]:
    """The offers as they are shown, in their order. One that is not sold in the currency asked for is left out."""
    found = tuple(offers)
    audience = audience or Audience()
    business = business_of(session, business_code)
    at = now()
    shown: dict[str, ShownOffer] = {}
    for currency in sorted({audience.currency or offer.currency for offer in found}):
        asked = [offer for offer in found if (audience.currency or offer.currency) == currency]
        question = PriceQuestion(
            currency=currency,
            channel=audience.channel,
            tier=audience.tier,
            segments=audience.segments,
            at=at,
            quantities={offer.sku: 1 for offer in asked},
        )
        shown |= _shown_in(session, business, asked, question)
    return tuple(shown[offer.sku] for offer in found if offer.sku in shown)


def _shown_in(
    session: Session, business: Business, offers: list[Offer], question: PriceQuestion
) -> dict[str, ShownOffer]:
    code, version = business.business, business.price_lists
    listed = prices_for(session, code, version, question)
    volumes = volume_prices(session, code, version, question)
    spans = price_spans(session, code, version, question)
    own = own_prices(session, code, [offer.sku for offer in offers], question.currency)
    found: dict[str, ShownOffer] = {}
    for offer in offers:
        priced = with_price(offer, listed.get(offer.sku))
        if priced.currency != question.currency:
            continue
        was = priced.list_price_minor
        history = [*spans.get(offer.sku, ()), *map(_span_of, own.get(offer.sku, ()))]
        price = listed.get(offer.sku)
        found[offer.sku] = ShownOffer(
            **priced.model_dump(),
            price_list=None if price is None else price.list_code,
            was_minor=was if was is not None and was > priced.unit_price_minor else None,
            lowest_30_days_minor=lowest_before(history, question.at),
            volume_prices=_cheaper(volumes.get(offer.sku, ()), priced.unit_price_minor),
        )
    return found


def _span_of(own: OwnPrice) -> Span:
    return Span(own.begins, own.ends, own.unit_price_minor, OWN_PRICE)


def _cheaper(steps: Iterable[ListedPrice], unit_price_minor: int) -> tuple[VolumePrice, ...]:
    """The steps above one piece, each where the price changes."""
    found: list[VolumePrice] = []
    last = unit_price_minor
    for step in steps:
        if step.from_quantity > 1 and step.unit_price_minor != last:
            found.append(VolumePrice(from_quantity=step.from_quantity, unit_price_minor=step.unit_price_minor))
            last = step.unit_price_minor
    return tuple(found)


# --- steps ------------------------------------------------------------------------------------------------------


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceListRequest(Part):
    """A list as it shall be."""

    terms: PriceListTerms
    reason: str = Field(min_length=1, max_length=500)


class SavedPriceList(Part):
    """The list as it stands."""

    price_list_id: str
    code: str
    is_active: bool
    prices: int


class PricesRequest(Part):
    """Prices of a list to enter, replace or remove."""

    code: ListCode
    prices: tuple[PriceEntry, ...] = ()
    remove: tuple[EntryKey, ...] = ()
    replace_all: bool = False
    reason: str = Field(min_length=1, max_length=500)


class PriceFileRequest(Part):
    """A file of prices; see `price_files`. `replace_all`: what it does not name is removed."""

    code: ListCode
    text: str = Field(max_length=MAX_FILE)
    replace_all: bool = False
    reason: str = Field(min_length=1, max_length=500)


@operation("marketing.save_price_list", en="Save a price list", zh="保存价目表")
def save_list(session: Session, context: StepContext, request: PriceListRequest) -> SavedPriceList:
    """Enter a list or change its terms; carts follow with the commit."""
    business = context.identity.business
    saved = save_price_list(
        session, SavePriceList(business=business, terms=request.terms, reason=request.reason, actor=context.actor)
    )
    return SavedPriceList(
        price_list_id=saved.id, code=saved.terms.code, is_active=saved.terms.is_active, prices=saved.prices
    )


@operation("marketing.set_prices", en="Change prices of a list", zh="修改价目表价格")
def change_prices(session: Session, context: StepContext, request: PricesRequest) -> ChangedPrices:
    """All of it or nothing: a price of what is not sold refuses the whole."""
    business = context.identity.business
    unknown = _unknown(session, business, (entry.sku for entry in request.prices))
    if unknown:
        raise InvalidError(
            "marketing.price_sku_unknown",
            f"{business} does not sell {', '.join(sorted(unknown)[:20])}.",
            mend="Take skus from the offers.",
            field="prices",
            skus=sorted(unknown)[:200],
        )
    return set_prices(session, SetPrices(business=business, actor=context.actor, **dict(request)))


@operation("marketing.import_prices", en="Import prices of a list", zh="导入价目表")
def import_prices(session: Session, context: StepContext, request: PriceFileRequest) -> ChangedPrices:
    """A file with a bad line is refused whole, with all bad lines named."""
    business = context.identity.business
    prices, problems = read_price_file(session, business, request.code, request.text)
    if problems:
        raise InvalidError(
            "marketing.price_file_wrong",
            f"{len(problems)} lines of the file are wrong; no price was changed. Line {problems[0].line}: "
            f"{problems[0].message}",
            mend="Mend the lines named and send the file again.",
            field="text",
            problems=[problem.model_dump() for problem in problems],
        )
    return set_prices(
        session,
        SetPrices(
            business=business,
            code=request.code,
            prices=prices,
            replace_all=request.replace_all,
            reason=request.reason,
            actor=context.actor,
        ),
    )


def read_price_file(
    session: Session, business: str, code: str, text: str
) -> tuple[tuple[PriceEntry, ...], tuple[RowProblem, ...]]:
    """What an import would do, for a page to show before: the prices of the file, and every line that is wrong."""
    numbered, problems = read_prices(text, price_list_of(session, business, code).terms.currency)
    unknown = _unknown(session, business, (entry.sku for _, entry in numbered))
    told = [
        RowProblem(line=line, field="sku", message=f"{business} does not sell {entry.sku!r}.")
        for line, entry in numbered
        if entry.sku in unknown
    ]
    prices = tuple(entry for _, entry in numbered)
    return prices, tuple(sorted((*problems, *told), key=lambda problem: problem.line))


def _unknown(session: Session, business: str, skus: Iterable[str]) -> set[str]:
    named = set(skus)
    return named - offers_of(session, business, named).keys()


def price_file(session: Session, business: str, code: str) -> str:
    """The prices of a list as a file that can be imported again."""
    listed = price_list_of(session, business, code)
    return write_prices(all_entries(session, listed.id), listed.terms.currency)
