"""One full life of an order, driven through the real processes, with every transfer it leaves in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select
from temporalio.client import Client

from activities.provider_events import read_message, receive
from capabilities.account.contract import TrialBalance
from capabilities.account.models import TransferRow
from capabilities.account.postings import POSTINGS, read_reason
from capabilities.account.queries import trial_balance
from capabilities.account.queries_reports import money_of
from capabilities.account.reports import MoneyMove
from capabilities.account.stored import card_reference
from capabilities.payment.providers.simulator_messages import charge_back, post_due
from capabilities.payment.providers.simulator_statement import bank_reference, simulated_statement
from capabilities.payment.queries import payments_of_order
from capabilities.payment.statements import statement_csv
from capabilities.settlement.contract import CommissionRate, DeclareRate
from capabilities.settlement.service import declare_rate
from capabilities.transaction.contract import DeclareOffer, DeclareSeller, OfferKind, Order
from capabilities.transaction.queries import order_of
from capabilities.transaction.service import declare_offer, declare_seller
from capabilities.user.contract import EnrolBuyer
from capabilities.user.service import enrol_buyer
from tests.builders import a_business, live_rules
from tests.workflows.aftersale import begin_process, decide, units
from tests.workflows.driving import Sessions, answered, begin, until
from workflows import starting
from workflows.provider_messages import begin_what_follows

CARD_CODE = "TEAT2345LIFE6789"
SELLERS = {"s_tea": ("Tea House", "茶坊"), "s_kiln": ("Old Kiln", "老窑")}
OFFERS = (
    ("TEA", OfferKind.GOODS, 128_00, 1300, "s_tea", "food/tea"),
    ("CUP", OfferKind.GOODS, 59_00, 1300, "s_kiln", "home/tea-ware"),
    ("EXPRESS", OfferKind.DELIVERY, 18_00, 900, "s_tea", "delivery"),
)
PROMOTIONS: tuple[dict[str, Any], ...] = (
    {
        "id": "tea_week",
        "name": "Tea week, 15 % off tea",
        "grain": "line",
        "stage": 20,
        "when": {"all": [{"field": "line.category", "op": "within", "value": ["food/tea"]}]},
        "effects": [{"kind": "percent_off", "rate_bps": 1500, "apply": "each"}],
    },
    {
        "id": "tea_20",
        "name": "20 off tea with the code TEA20",
        "grain": "line",
        "stage": 20,
        "priority": -10,
        "coupon": "TEA20",
        "when": {"all": [{"field": "line.category", "op": "within", "value": ["food/tea"]}]},
        "effects": [{"kind": "amount_off", "amount_minor": 20_00, "apply": "across"}],
    },
    {
        "id": "ten_from_200",
        "name": "10 % off from 200",
        "stage": 30,
        "when": {"all": [{"field": "order.subtotal_minor", "op": "gte", "value": 200_00}]},
        "effects": [{"kind": "percent_off", "rate_bps": 1000, "apply": "across"}],
    },
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the life, and what it moved, in the order in which it stands in the books."""

    key: str
    moves: tuple[MoneyMove, ...]


@dataclass(frozen=True, slots=True)
class Life:
    """What was lived: the steps, the order as it ended, and every account at the end."""

    steps: tuple[Step, ...]
    order: Order
    trial: TrialBalance


class Living:
    """Drives the processes and notes after each step what is new in the ledger."""

    def __init__(self, sessions: Sessions, client: Client) -> None:
        self.sessions, self.client = sessions, client
        self.steps: list[Step] = []
        self.seen: set[str] = set()

    def note(self, key: str) -> None:
        """What has been moved since the step before."""
        with self.sessions() as session:
            subjects = session.scalars(select(TransferRow.subject).distinct()).all()
            moves = [move for subject in subjects for move in money_of(session, subject)]
        new = [move for move in moves if move.transfer_id not in self.seen]
        self.seen |= {move.transfer_id for move in new}
        self.steps.append(Step(key, tuple(in_order(new))))

    async def run(self, process: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        """A process to its end; its answer."""
        begun = begin_process(self.sessions, process, body)
        found, answer = await answered(self.client, begun)
        assert found == status, answer
        await until(self.sessions, begun.run_id, "ended")
        return answer


def in_order(moves: list[MoneyMove]) -> list[MoneyMove]:
    """Payouts by seller, all else by linked set in time; then by the table of postings and by party, never by an id."""
    begins: dict[str, datetime] = {}
    for move in moves:
        begins[move.linked_id] = min(begins.get(move.linked_id, move.created_at), move.created_at)
    place = {code: i for i, code in enumerate(POSTINGS)}

    def key(move: MoneyMove) -> tuple[Any, ...]:
        code = said(move.reason)
        of_seller = move.debit.party if code.startswith("payout.") else ""
        return (of_seller, begins[move.linked_id], place.get(code, len(place)), move.debit.party, move.credit.party)

    return sorted(moves, key=key)


def said(reason: str) -> str:
    """The posting a reason speaks of, also where it is resolved or corrected."""
    read = read_reason(reason)
    return read.code if read.code in POSTINGS else said(read.parameters["of"])


def open_shop(sessions: Sessions) -> None:
    """A small shop of two sellers with its promotions, fees, and rules for refunds and for when money is due."""
    with sessions.begin() as session:
        a_business(session)
        for seller, (en, zh) in SELLERS.items():
            declare_seller(session, DeclareSeller(business="retail", id=seller, name_en=en, name_zh=zh))
        for sku, kind, price, tax, seller, category in OFFERS:
            offer = DeclareOffer(
                business="retail",
                sku=sku,
                kind=kind,
                name_en=sku,
                name_zh=sku,
                product=sku,
                category=category,
                brand="",
                seller_id=seller,
                currency="CNY",
                unit_price_minor=price,
                tax_rate_bps=tax,
                on_hand_units=100 if kind is OfferKind.GOODS else None,
            )
            declare_offer(session, offer)
        rate = CommissionRate(rate_bps=500, tax_rate_bps=600, reason="Everybody: 5 %, and 6 % tax on it")
        declare_rate(session, DeclareRate(business="retail", rate=rate))
        enrol_buyer(session, EnrolBuyer(business="retail", id="ann", name="Ann"))
        live_rules(session, *PROMOTIONS)
        auto = {"id": "auto", "name": "At once", "grain": "refund", "stage": 10, "effects": [{"kind": "auto"}]}
        live_rules(session, auto, decision="transaction.refund_policy", policy="first")
        at_once = {"kind": "pay_after", "days": 0, "starts": "fulfilled"}
        due = {"id": "due", "name": "Due when handed over", "stage": 10, "effects": [at_once]}
        live_rules(session, due, decision="settlement.maturing")


async def live(sessions: Sessions, client: Client) -> Life:
    """From the gift card that is sold to the chargeback that is lost."""
    open_shop(sessions)
    living = Living(sessions, client)
    for seller in SELLERS:
        account = {"seller_id": seller, "currency": "CNY", "destination": f"CN-{seller}"}
        await living.run("declare_destination", account)
    await living.run("create_coupon", {"business": "retail", "code": "TEA20", "use_limit": 20}, 201)
    await _sell(living)
    order = await _buy(living)
    await _return(living, order)
    await _pay_sellers(living)
    await _reconcile(living)
    await _charge_back(living, order)
    with sessions() as session:
        (trial,) = trial_balance(session, "retail")
        return Life(tuple(living.steps), order_of(session, order.id), trial)


async def _sell(living: Living) -> None:
    card = {
        "reference": card_reference(CARD_CODE),
        "last4": CARD_CODE[-4:],
        "currency": "CNY",
        "amount_minor": 100_00,
        "funding": "bank",
    }
    await living.run("issue_gift_card", card)
    living.note("card")


async def _buy(living: Living) -> Order:
    sources = [
        {"method": "gift_card", "amount_minor": 100_00, "reference": card_reference(CARD_CODE)},
        {"method": "sim_ok"},
    ]
    begun = begin(
        living.sessions,
        buyer_id="ann",
        lines=[{"sku": "TEA", "quantity": 2}, {"sku": "CUP", "quantity": 1}],
        delivery_sku="EXPRESS",
        coupon_codes=["TEA20"],
        payments=sources,
        expected_total_minor=248_94,
    )
    status, body = await answered(living.client, begun)
    assert status == 201, body
    await until(living.sessions, begun.run_id, "ended")
    living.note("sale")
    with living.sessions() as session:
        order = order_of(session, body["order_id"])
    handed = begin_process(living.sessions, "fulfil", {"order_id": order.id})
    assert (await answered(living.client, handed))[0] == 201
    return order


async def _return(living: Living, order: Order) -> None:
    request = {
        "order_id": order.id,
        "kind": "return",
        "lines": [units(order, "TEA", 1)],
        "reason": "one was enough",
    }
    await living.run("refund", {"request": request}, 201)
    living.note("return")


async def _pay_sellers(living: Living) -> None:
    begun = begin_process(living.sessions, "settlement", {}, actor="user:planner")
    status, body = await answered(living.client, begun)
    assert (status, body["status"]) == (202, "awaiting_approval"), body
    await decide(living.sessions, living.client, begun.run_id)
    assert (await until(living.sessions, begun.run_id, "ended")).outcome == "settled"
    living.note("payout")


async def _reconcile(living: Living) -> None:
    lines = statement_of(living)
    await living.run("import_statement", {"kind": "provider", "content": statement_csv(lines)})
    net = sum(line.net_minor for line in lines)
    bank = (
        "reference,amount_minor,currency,date\n"
        f"{lines[0].bank_reference},{net},CNY,{lines[0].occurred_at.isoformat()}\n"
    )
    await living.run("import_statement", {"kind": "bank", "content": bank})
    living.note("compared")


async def _charge_back(living: Living, order: Order) -> None:
    with living.sessions.begin() as session:
        payment = next(one for one in payments_of_order(session, order.id) if one.provider == "simulator")
        charge_back(session, payment.id, payment.amounts.charged_minor, reason="not received")
    begun: list[Any] = []

    def post(headers: Mapping[str, str], body: bytes) -> int:
        if orjson.loads(body)["type"] == "chargeback.opened":
            with living.sessions.begin() as session:
                begun.append(begin_what_follows(session, receive(session, read_message("simulator", headers, body))))
        return 200

    post_due(living.sessions, post)
    (run,) = begun
    assert (await answered(living.client, run))[0] == 202
    await until(living.sessions, run.run_id, "waiting")
    living.note("taken")
    await starting.send_event(living.client, run.run_id, "dispute.decided", {"outcome": "lost"}, "user:op")
    assert (await until(living.sessions, run.run_id, "ended")).outcome == "lost"
    living.note("lost")


def statement_of(living: Living) -> list[Any]:
    """The provider's lines since yesterday, as one payout to the bank."""
    today = datetime.now(UTC).date()
    with living.sessions() as session:
        days = (today - timedelta(days=1), today)
        lines = [line for day in days for line in simulated_statement(session, "retail", day, "CNY")]
    return [line.model_copy(update={"bank_reference": bank_reference("retail", today, "CNY")}) for line in lines]
