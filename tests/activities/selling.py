"""A sale paid from several sources, and its refunds, taken through the steps of the ledger without a process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from activities import account, account_books, account_refunds, payment_refunds, refunds, settlement, stored_value
from activities.catalogue import StepContext, find_operation
from capabilities.account.contract import AccountKind, AccountRef, Origin
from capabilities.account.gift_cards import issue_gift_card
from capabilities.account.points import grant_cashback, grant_points
from capabilities.account.queries import trial_balance
from capabilities.account.stored import GrantCashback, GrantPoints, IssueGiftCard, StoredSource, card_reference
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.payment.asking import Answer
from capabilities.payment.models import PaymentEventRow, PaymentRow
from capabilities.transaction.contract import ConfirmOrder, Order
from capabilities.transaction.queries import order_of
from capabilities.transaction.service import commit_stock, confirm_order, hold_stock, open_order, secure_stock
from tests.builders import a_business, an_offer, an_open_order

DECLARED = (account, account_books, account_refunds, payment_refunds, refunds, settlement)
"""The modules whose operations a sale and its refunds run."""

CODE = "K7Q2M9X4B0C1D3E5"
ORIGIN = Origin(actor="tester", correlation_id="cor_1")
STORED = ("gift_card", "points", "wallet")


def context(step: str = "step") -> StepContext:
    return StepContext("run_1", step, f"run_1/{step}", BusinessIdentity("retail"), "tester", "cor_1")


def run(session: Session, name: str, key: str = "k", **request: Any) -> Any:
    """Run an operation as the interpreter does; `key` is the step's."""
    operation = find_operation(name)
    assert operation.run is not None
    return operation.run(session, context(f"{name}/{key}"), operation.request.model_validate(request))


def an_order(
    session: Session,
    pieces: int = 3,
    price: int = 90_00,
    *,
    run_id: str = "run_1",
    buyer: str = "ann",
    tax: int = 0,
    off: int = 0,
) -> Order:
    """Tea, opened with its stock held; `tax` is in the price, `off` taken off the line."""
    a_business(session)
    an_offer(session, "tea", stock=1_000)
    request = an_open_order([("tea", pieces)], run_id=run_id, price=price).model_copy(update={"buyer_id": buyer})
    (line,) = request.lines
    net = line.gross_minor - off
    less = {"discount_minor": off, "net_minor": net, "tax_minor": tax, "total_minor": net}
    sums = {"discount_minor": off, "tax_minor": tax, "total_minor": net}
    request = request.model_copy(update=sums | {"lines": (line.model_copy(update=less),)})
    order = open_order(session, request)
    hold_stock(session, order.id)
    return order_of(session, order.id)


def a_card(session: Session, amount: int, code: str = CODE) -> str:
    request = IssueGiftCard(
        key=code,
        business="retail",
        reference=card_reference(code),
        last4=code[-4:],
        currency="CNY",
        amount_minor=amount,
        subject="gift",
    )
    return issue_gift_card(session, request, origin=ORIGIN).id


def points(session: Session, amount: int, buyer: str = "ann") -> None:
    about = {"key": "p", "business": "retail", "buyer_id": buyer, "currency": "CNY", "subject": "gift"}
    grant_points(session, GrantPoints(points=amount, **about), origin=ORIGIN)


def wallet(session: Session, amount: int, buyer: str = "ann") -> None:
    about = {"key": "w", "business": "retail", "buyer_id": buyer, "currency": "CNY", "subject": "gift"}
    grant_cashback(session, GrantCashback(amount_minor=amount, **about), origin=ORIGIN)


def sources(order: Order, paid: Sequence[tuple[str, int]]) -> list[StoredSource]:
    """The stored ones of the sources, as the payment step hands them over."""
    return [
        StoredSource(
            payment_id=f"pay_{order.id}_{position}",
            method=method,
            amount_minor=amount,
            reference=CODE if method == "gift_card" else None,
        )
        for position, (method, amount) in enumerate(paid)
        if method in STORED
    ]


def sell(session: Session, order: Order, paid: Sequence[tuple[str, int]], *, later: int = 0) -> None:
    """Reserve, pay and post the sale from these sources."""
    stored = sources(order, paid)
    sale = {"order_id": order.id, "stored_minor": sum(one.amount_minor for one in stored), "later_minor": later}
    run(session, "account.reserve_sale", **sale)
    stored_value.reserve(session, context("reserve"), order, stored)
    secure_stock(session, order.id)
    for position, (method, amount) in enumerate(paid):
        pay(session, order, method, amount, position)
    run(session, "settlement.freeze", order_id=order.id)
    stored_value.post(session, context("post"), order)
    run(session, "account.post_sale", **sale)
    confirm_order(session, ConfirmOrder(order_id=order.id, payment_id="pay_1"))
    commit_stock(session, order.id)


def pay(session: Session, order: Order, method: str, amount: int, position: int) -> None:
    payment = f"pay_{order.id}_{position}"
    values = {"id": payment, "business": "retail", "order_id": order.id, "method": method, "currency": "CNY"}
    provider = "ledger" if method in STORED else "simulator"
    session.add(PaymentRow(**values, provider=provider, amount_minor=amount, position=position, created_at=now()))
    for kind in ("authorization_request", "authorization_success", "charge_request", "charge_success"):
        told(session, payment, kind, f"{payment}/{kind[0]}", amount)


def told(session: Session, payment: str, kind: str, reference: str, amount: int) -> None:
    session.add(
        PaymentEventRow(
            business="retail",
            payment_id=payment,
            kind=kind,
            reference=reference,
            amount_minor=amount,
            occurred_at=now(),
            recorded_at=now(),
            is_counted=True,
            actor="test",
            correlation_id="cor_1",
        )
    )
    session.flush()


def refund(session: Session, order: Order, key: str, *, effects: Sequence[dict[str, Any]] = (), **asked: Any) -> str:
    """A refund whose money every source has given back, its commission reversed, ready to be posted."""
    request = {"order_id": order.id, "kind": "cancellation", "reason": "x"} | asked
    opened = run(session, "transaction.open_refund", key, request=request, effects=list(effects))
    run(session, "transaction.approve_refund", key, refund_id=opened.refund_id, actor="user:ann")
    run(session, "transaction.start_refund", key, refund_id=opened.refund_id)
    if opened.due_minor and asked.get("kind") != "chargeback" and asked.get("destination") != "wallet":
        give(session, order, opened.refund_id, opened.due_minor, key)
    run(session, "settlement.reverse", key, refund_id=opened.refund_id)
    return str(opened.refund_id)


def give(session: Session, order: Order, refund_id: str, due: int, key: str) -> None:
    """Every provider says yes; stored value follows."""
    operation = find_operation("payment.refund_shares")
    assert operation.outside is not None
    asked = operation.request.model_validate({"refund_id": refund_id, "order_id": order.id, "amount_minor": due})
    intent = operation.outside.intend(session, context(f"give/{key}"), asked)
    for one in intent.each:
        if one.call is not None and one.payment_id is not None:
            told(session, one.payment_id, "refund_success", one.call.key, one.call.amount_minor)
    answer = Answer(others=(Answer(),) * len(intent.others))
    operation.outside.record(session, context(f"give/{key}"), intent, answer)


def balances(session: Session, currency: str = "CNY") -> dict[str, int]:
    """Posted balances that are not zero, by kind and party; both sides of every currency are equal."""
    pages = {page.currency: page for page in trial_balance(session, "retail")}
    assert all(page.difference_minor == 0 for page in pages.values())
    found = pages[currency].balances if currency in pages else ()
    return {f"{ref.kind.value} {ref.party}".strip(): balance.minor for ref, balance in found if balance.minor}


def ref(kind: AccountKind, party: str = "", currency: str = "CNY") -> AccountRef:
    return AccountRef(business="retail", kind=kind, party=party, currency=currency)
