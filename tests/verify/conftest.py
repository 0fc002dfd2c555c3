"""A small world in which everything is as it should be: orders that were confirmed, declined, free and imported."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from activities.catalogue import StepContext, find_operation
from activities.journal import service as journal
from activities.journal.models import ProcessStep, StepStatus
from activities.pricing import PriceRequest
from capabilities.account.contract import AccountKind, AccountRef, Exchange, Origin, Phase, TransferRequest
from capabilities.account.service import post_transfers
from capabilities.kernel.clock import now
from capabilities.kernel.idempotency import Answer, store_answer
from capabilities.kernel.identity import BusinessIdentity
from capabilities.marketing.campaigns import ChangeCampaign, CreateCampaign, NewBudget
from capabilities.marketing.contract import CreateCoupon
from capabilities.marketing.coupons import CreateLot
from capabilities.marketing.price_contract import PriceEntry, PriceListTerms, SavePriceList, SetPrices
from capabilities.marketing.prices import save_price_list, set_prices
from capabilities.marketing.service import create_coupon
from capabilities.marketing.service_campaigns import change_campaign, create_campaign
from capabilities.marketing.service_lots import make_codes, open_lot
from capabilities.payment.contract import PaymentEventKind, ProviderEventStatus
from capabilities.payment.extensions import _PROVIDERS
from capabilities.payment.provider_events import keep_message
from capabilities.payment.providers.protocol import ProviderEffect, ProviderMessage
from capabilities.payment.providers.simulator import NAME, Simulator
from capabilities.payment.queries import payment_of_order
from capabilities.transaction.contract import CheckoutLine, CheckoutRequest, ImportOrder, OfferKind
from capabilities.transaction.models import OrderRow
from capabilities.transaction.service import import_order
from capabilities.user.contract import AdmittedBuyer, DecidedTier, EnrolBuyer, Tier
from capabilities.user.service import enrol_buyer
from capabilities.user.tiers import earn_tier, lock_buyer
from tests.builders import a_business, an_offer, an_open_order, live_rules
from web.access.audit import record_act
from workflows.starting import begin_run
from workflows.worker import load_operations

TENTH = {"kind": "percent_off", "rate_bps": 1000, "apply": "across"}
ALL = {"kind": "percent_off", "rate_bps": 10_000, "apply": "across"}
GUEST = AdmittedBuyer(buyer_id=None, tier="standard", order_number=1)


class Shop:
    """Takes a checkout through the steps of the process, without the process."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def begin(self, key: str, checkout: CheckoutRequest) -> str:
        begun = begin_run(
            self.session,
            process="checkout",
            identity=BusinessIdentity("retail"),
            input=checkout.model_dump(mode="json"),
            client_id="client",
            key=key,
            actor="api:client",
        )
        return begun.run_id

    def step(self, run_id: str, name: str, **request: Any) -> Any:
        operation = find_operation(name)
        context = StepContext(run_id, name, f"{run_id}/{name}", BusinessIdentity("retail"), "api:client", run_id)
        asked = operation.request.model_validate(request)
        if operation.outside is None:
            return operation.run(self.session, context, asked)
        intent = operation.outside.intend(self.session, context, asked)
        answer = operation.outside.call(intent)
        return operation.outside.record(self.session, context, intent, answer)

    def sell(self, key: str, *codes: str, method: str = "sim_ok") -> str:
        """A checkout; returns the order's id. A declined one is undone."""
        checkout = CheckoutRequest(
            business="retail",
            currency="CNY",
            lines=(CheckoutLine(sku="tea", quantity=2), CheckoutLine(sku="mug", quantity=1)),
            delivery_sku=None if "FREE" in codes else "post",
            coupon_codes=codes,
            payment_method=method,
        )
        run_id = self.begin(key, checkout)
        priced = self.step(run_id, "marketing.price", **PriceRequest(checkout=checkout, buyer=GUEST).model_dump())
        opened = self.step(run_id, "transaction.open", checkout=checkout, buyer=GUEST, quote_id=priced.quote_id)
        order = {"order_id": opened.order_id}
        self.step(run_id, "account.reserve_sale", **order)
        self.step(run_id, "marketing.claim", **order, quote_id=priced.quote_id)
        self.step(run_id, "transaction.hold_stock", **order)
        authorized = self.step(run_id, "payment.authorize", **order, method=method)
        if authorized.status == "declined":
            for undo in ("transaction.release_stock", "marketing.release", "account.void_sale"):
                self.step(run_id, undo, **order)
            self.step(run_id, "transaction.close", **order, reason="payment.declined")
            self.end(run_id, "declined", 402, opened.order_id)
            return opened.order_id
        self.step(run_id, "payment.capture", **order, payment_id=authorized.payment_id)
        for name in ("settlement.freeze", "account.post_sale", "marketing.redeem"):
            self.step(run_id, name, **order)
        self.step(run_id, "transaction.confirm", **order, payment_id=authorized.payment_id)
        self.end(run_id, "confirmed", 201, opened.order_id)
        return opened.order_id

    def end(self, run_id: str, outcome: str, status: int, order_id: str) -> None:
        store_answer(self.session, run_id=run_id, answer=Answer(status, "{}"))
        journal.end_run(self.session, run_id, outcome=outcome, error=None, subject=order_id)


@pytest.fixture(scope="module")
def sound_world(engine: Engine) -> Iterator[Session]:
    """The world, built once a module in a transaction that is never committed."""
    load_operations()
    with pytest.MonkeyPatch.context() as patch, Session(engine, expire_on_commit=False) as session:
        # one connection also for the simulator, which would not see what is not committed
        own = sessionmaker(session.connection(), join_transaction_mode="create_savepoint")
        patch.setitem(_PROVIDERS, NAME, Simulator(lambda: own))
        _build(session)
        yield session
        session.rollback()


@pytest.fixture
def world(sound_world: Session) -> Iterator[Session]:
    """The world, for a test to break."""
    with sound_world.begin_nested() as savepoint:
        yield sound_world
        savepoint.rollback()
    sound_world.expire_all()


def _build(session: Session) -> None:
    _stock_up(session)
    shop = Shop(session)
    order_id = shop.sell("k1", "SPRING")
    _told_by_provider(session, order_id)
    shop.sell("k2", method="sim_declined")
    shop.sell("k3", "SPRING", method="sim_declined")
    shop.sell("k4", "FREE")
    past = an_open_order([("tea", 1)], run_id="basket 1").model_dump()
    import_order(session, ImportOrder(**past, placed_at=now()))
    bank = AccountRef(business="retail", kind=AccountKind.BANK, currency="CNY")
    wallet = AccountRef(business="retail", kind=AccountKind.BUYER_WALLET, party="ann", currency="CNY")
    origin = Origin(actor="tester", correlation_id="cor_1")
    about = {"subject": "ann", "reason": "test"}
    post_transfers(
        session, [TransferRequest(id="top", debit=bank, credit=wallet, amount_minor=60, **about)], origin=origin
    )
    hold = TransferRequest(id="hold", phase=Phase.PENDING, debit=wallet, credit=bank, amount_minor=50, **about)
    post_transfers(session, [hold], origin=origin)
    exchange = [AccountRef(business="retail", kind=AccountKind.EXCHANGE, currency=code) for code in ("CNY", "EUR")]
    euros = AccountRef(business="retail", kind=AccountKind.BANK, currency="EUR")
    rate = Exchange(other_id="in", numerator=1, denominator=8)
    pair = [
        TransferRequest(id="out", debit=exchange[0], credit=bank, amount_minor=8, exchange=rate, **about),
        TransferRequest(
            id="in", debit=euros, credit=exchange[1], amount_minor=1, exchange=rate.of_other("out"), **about
        ),
    ]
    post_transfers(session, pair, origin=origin)
    record_act(session, business="retail", actor="editor", action="rules.submit", subject="rls_1")
    session.add(
        ProcessStep(
            business="retail",
            run_id=session.scalars(select(OrderRow.run_id).where(OrderRow.id == order_id)).one(),
            path="risk",
            iteration=0,
            revision=0,
            attempt=1,
            kind="decide",
            status=StepStatus.DONE,
            response={"outcome": "approve", "release_id": None},
            actor="api:client",
            started_at=now(),
        )
    )
    session.flush()


def _told_by_provider(session: Session, order_id: str) -> None:
    """The provider tells by itself, a moment later, what we have asked it."""
    payment = payment_of_order(session, order_id)
    assert payment is not None
    (granted,) = [event for event in payment.events if event.kind is PaymentEventKind.AUTHORIZATION_SUCCESS]
    effect = ProviderEffect(
        kind=granted.kind,
        reference=granted.reference,
        amount_minor=granted.amount_minor,
        currency=payment.currency,
        occurred_at=granted.occurred_at + timedelta(seconds=1),
    )
    message = ProviderMessage(
        provider=payment.provider,
        message_id="msg_1",
        type="authorization.succeeded",
        occurred_at=effect.occurred_at,
        body_sha256="0" * 64,
        business=payment.business,
        payment_ref=payment.id,
        effect=effect,
    )
    assert keep_message(session, message).status is ProviderEventStatus.APPLIED


def _stock_up(session: Session) -> None:
    a_business(session)
    an_offer(session, "tea", price=100_00)
    an_offer(session, "mug", price=50_50, seller="s_two")
    an_offer(session, "post", price=10_00, kind=OfferKind.DELIVERY, stock=None)
    live_rules(
        session,
        {
            "id": "r_spring",
            "name": "Spring",
            "when": {"all": []},
            "effects": [TENTH],
            "coupon": "SPRING",
            "limits": [{"most": 9}],
            "campaign": "spring",
        },
        {"id": "r_free", "name": "Free", "when": {"all": []}, "effects": [ALL], "coupon": "FREE"},
    )
    create_coupon(session, CreateCoupon(business="retail", code="SPRING", use_limit=5))
    budget = NewBudget(counts="spend", most=1_000_00, currency="CNY")
    spring = CreateCampaign(business="retail", campaign_id="spring", name_en="Spring", budgets=(budget,))
    create_campaign(session, spring, "editor")
    change_campaign(session, ChangeCampaign(business="retail", campaign_id="spring", act="start"), "editor")
    lot = {"business": "retail", "lot_id": "lot", "opens": "SUMMER", "pattern": "S-****-****", "codes": 2}
    open_lot(session, CreateLot.model_validate(lot), "editor")
    make_codes(session, "retail", "lot")
    _price_and_classify(session)


def _price_and_classify(session: Session) -> None:
    """A price list for who is gold, which the guests of this world are not, and a buyer whom the rules made gold."""
    terms = PriceListTerms(code="gold", name_en="Gold", name_zh="金卡", currency="CNY", tier="gold")
    save_price_list(session, SavePriceList(business="retail", terms=terms, reason="test", actor="editor"))
    price = PriceEntry(sku="tea", unit_price_minor=90_00)
    set_prices(session, SetPrices(business="retail", code="gold", prices=(price,), reason="test", actor="editor"))
    enrol_buyer(session, EnrolBuyer(business="retail", id="gold_one", name="Gold One"))
    row = lock_buyer(session, "retail", "gold_one")
    earn_tier(session, row, DecidedTier(tier=Tier.GOLD, reason="spent enough"), now(), "system")
