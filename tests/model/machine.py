"""The state machine: buyers, providers, sellers, banks and crashes in any order, against the model after every step."""

from __future__ import annotations

import copy
import sys
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.expiry import expire_overdue
from activities.provider_events import receive
from capabilities.payment.providers.simulator_messages import charge_back, post_due, read_simulated
from tests.model.driving import Driver, Run
from tests.model.telling import Told
from tests.model.world import BUSINESSES, GOODS, sources_of
from zhongtai.verify import verify

METHODS = (
    "sim_ok",
    "sim_twice",
    "sim_declined",
    "sim_timeout",
    "sim_timeout_done",
    "sim_capture_timeout",
    "sim_capture_timeout_done",
    "sim_capture_declined",
    "sim_refund_timeout_done",
    "sim_refund1_timeout",
    "sim_refund1_declined",
    "sim_void1_timeout_done",
)
MOST_ORDERS = 12
CARTS = st.dictionaries(st.sampled_from(GOODS), st.integers(1, 4), min_size=1)


class Trade(RuleBasedStateMachine):
    """One example: a new day in the same world. `driver` is set by the test that runs it.

    A step is one transaction of the product, or one call outside with its two: each is followed by a look at what it moved.
    """

    driver: Driver
    steps = 0
    ended = 0
    parked: dict[str, int] = {}  # noqa: RUF012 - what people were asked to look at, counted over all examples
    played: dict[str, int] = {}  # noqa: RUF012 - counted over all examples

    @initialize()
    def begin_day(self) -> None:
        self.begun = type(self).driver.sessions.kw["bind"].begin_nested()
        self.told = Told()
        self.driver.heard = self._hear
        self.runs: list[Run] = []
        self.keys = 0
        self.payouts: list[Run] = []
        self.again: set[str] = set()

    def teardown(self) -> None:
        """Everything that is under way comes to its end, then every invariant of the product holds."""
        if not hasattr(self, "begun"):
            return
        try:
            if sys.exc_info()[0] is None:  # what went wrong in a step is told as it is
                self._end_all()
                with self.driver.sessions() as session:
                    self.told.listen(session)
                    self.told.compare(session, at_rest=not self._parked())
                    broken = [(found.number, found.broken) for found in verify(session) if found.broken]
                assert not broken, broken
                if not self._parked():  # what a person must look at has not come back yet
                    type(self).ended += self.told.all_is_back()
        finally:
            self.begun.rollback()

    def _end_all(self) -> None:
        for _ in range(6):
            for run in list(self.runs):
                if _deepest(run).parked is None:
                    self._say_something(run)
                    self.driver.walk(run)
            if all(run.is_over or _deepest(run).parked for run in self.runs):
                return
        raise AssertionError([(run.process, run.stands_at) for run in self.runs if not run.is_over])

    def _parked(self) -> list[Run]:
        return [run for run in self.runs if _deepest(run).parked is not None]

    def _say_something(self, run: Run) -> None:
        deep = _deepest(run)
        if deep.waits and not deep.is_over and deep.parked is None:
            deep.event = {"outcome": "won"} if deep.process == "chargeback" else {}
            deep.decision = "approve"

    def _count(self, name: str) -> None:
        type(self).steps += 1
        type(self).played[name] = type(self).played.get(name, 0) + 1

    def _hear(self, session: Session, run: Run) -> None:
        self.told.listen(session)
        type(self).steps += 1
        deep = _deepest(run)
        if deep.parked is not None:
            code = f"{deep.parked.step}: {deep.parked.error['code']}"
            type(self).parked[code] = type(self).parked.get(code, 0) + 1
        if deep.process == "payout" and all(deep is not one for one in self.payouts):
            self.payouts.append(deep)

    def _key(self) -> str:
        self.keys += 1
        return f"key{self.keys}"

    def _begin(self, process: str, business: str, body: dict[str, Any], **more: Any) -> Run:
        run = self.driver.begin(process, business, body, key=self._key(), **more)
        self.runs.append(run)
        return run

    @property
    def moving(self) -> list[Run]:
        return [run for run in self.runs if not run.waits]

    @invariant()
    def the_model_agrees(self) -> None:
        """After every step: what was posted, what is on hand, what was counted."""
        if not hasattr(self, "told"):
            return
        with self.driver.sessions() as session:
            self.told.compare(session, at_rest=all(run.is_over for run in self.runs))

    # --- checkouts

    @precondition(lambda self: len(self.told.quoted) < MOST_ORDERS)
    @rule(
        business=st.sampled_from(sorted(BUSINESSES)),
        cart=CARTS,
        with_delivery=st.booleans(),
        with_coupon=st.booleans(),
        method=st.one_of(st.just("sim_ok"), st.sampled_from(METHODS)),
        stored=st.sampled_from(["", "", "gift_card", "wallet", "both", "two cards"]),
        amount=st.integers(1, 40_00),
        terms=st.sampled_from(["", "", "", "instalments", "on_delivery"]),
    )
    def check_out(
        self,
        business: str,
        cart: dict[str, int],
        with_delivery: bool,
        with_coupon: bool,
        method: str,
        stored: str,
        amount: int,
        terms: str,
    ) -> None:
        self._count("check_out")
        body: dict[str, Any] = {
            "business": business,
            "currency": "CNY",
            "buyer_id": "ann",
            "lines": [{"sku": sku, "quantity": count} for sku, count in cart.items()],
            "delivery_sku": "post" if with_delivery else None,
            "coupon_codes": ["TENTH"] if with_coupon else [],
            "payment_method": method,
            "payments": sources_of(business, method, stored, amount),
        }
        if terms:
            body["terms"] = terms
        with self.driver.sessions() as session:
            left = session.execute(
                text("""
                SELECT (SELECT use_limit - used FROM coupon WHERE business = :b AND code = 'TENTH') AS uses,
                    (SELECT coalesce(sum(most - used), 12000) FROM limit_counter WHERE business = :b) AS budget
                """),
                {"b": business},
            ).one()
        run = self._begin("checkout", business, body)
        self.driver.go_on(run)
        opened = run.values.get("open")
        if opened is not None:
            self.told.quoted[opened["order_id"]] = (with_coupon and left.uses > 0, int(left.budget))

    @precondition(lambda self: bool(self.runs))
    @rule(which=st.integers(0, 99))
    def send_again(self, which: int) -> None:
        """A client who sends the same request under the same key gets the same run."""
        self._count("send_again")
        number = which % len(self.runs)
        run = self.runs[number]
        again = self.driver.begin(
            run.process, run.business, run.start.input, key=f"key{number + 1}", actor=run.start.run.actor
        )
        assert again.id == run.id

    # --- time and crashes

    @precondition(lambda self: bool(self.moving))
    @rule(which=st.integers(0, 99), most=st.integers(1, 3))
    def go_on(self, which: int, most: int) -> None:
        self._count("go_on")
        run = self.moving[which % len(self.moving)]
        for _ in range(most):
            if not run.waits:
                self.driver.go_on(run)

    @precondition(lambda self: bool(self.moving))
    @rule(which=st.integers(0, 99))
    def finish(self, which: int) -> None:
        self._count("finish")
        self.driver.walk(self.moving[which % len(self.moving)])

    @precondition(lambda self: bool(self.moving))
    @rule(which=st.integers(0, 99))
    def crash(self, which: int) -> None:
        """A worker dies between the commit and telling Temporal of it: the same stretch runs again."""
        self._count("crash")
        place = self.runs.index(self.moving[which % len(self.moving)])
        run = self.runs[place]
        before = copy.deepcopy(run)
        self.driver.go_on(run)
        if run.parked is None and run.tries == 0:
            self.driver.go_on(before)
            assert (before.outcome, before.reply) == (run.outcome, run.reply)
            self.runs[place] = before

    @precondition(lambda self: bool(self._parked()))
    @rule(which=st.integers(0, 99))
    def mend(self, which: int) -> None:
        """A person tries what is parked once more."""
        self._count("mend")
        parked = self._parked()
        self.driver.repair(_deepest(parked[which % len(parked)]))

    @precondition(lambda self: any(run.process == "checkout" for run in self.moving))
    @rule()
    def expire(self) -> None:
        """Every hold that is not secured runs out."""
        self._count("expire")
        with self.driver.sessions() as session, session.begin():
            for table in ("reservation", "coupon_claim", "limit_claim"):
                late = "SET expires_at = now() - interval '1 second' WHERE status = 'held'"
                session.execute(text(f"UPDATE {table} {late}"))
        expire_overdue(self.driver.sessions)

    # --- after the sale

    def _order(self, which: int) -> str:
        known = list(self.told.model.sales)
        return known[which % len(known)]

    def _units(self, order_id: str, share: list[int]) -> list[dict[str, Any]]:
        sale = self.told.model.sales[order_id]
        goods = [(line_id, line) for line_id, line in sale.lines.items() if line.sku in GOODS]
        asked = [
            {"line_id": line_id, "units": min(share[place % len(share)], line.quantity)}
            for place, (line_id, line) in enumerate(goods)
        ]
        return [one for one in asked if one["units"]]

    @precondition(lambda self: bool(self.told.model.sales))
    @rule(which=st.integers(0, 99), share=st.lists(st.integers(0, 4), min_size=1, max_size=3))
    def fulfil(self, which: int, share: list[int]) -> None:
        self._count("fulfil")
        order_id = self._order(which)
        self._begin("fulfil", self._business(order_id), {"order_id": order_id, "lines": self._units(order_id, share)})

    @precondition(lambda self: bool(self.told.model.sales))
    @rule(
        which=st.integers(0, 99),
        share=st.lists(st.integers(0, 2), min_size=1, max_size=3),
        kind=st.sampled_from(["return", "return", "cancellation", "goodwill"]),
        delivery=st.booleans(),
    )
    def refund(self, which: int, share: list[int], kind: str, delivery: bool) -> None:
        self._count("refund")
        order_id = self._order(which)
        asked = {
            "order_id": order_id,
            "kind": kind,
            "lines": self._units(order_id, share),
            "delivery": delivery,
            "reason": "x",
        }
        self._begin("refund", self._business(order_id), {"request": asked})

    @precondition(lambda self: bool(self.told.model.sales))
    @rule(which=st.integers(0, 99), amount=st.integers(1, 20_00))
    def give_goodwill(self, which: int, amount: int) -> None:
        self._count("give_goodwill")
        order_id = self._order(which)
        asked = {"order_id": order_id, "kind": "goodwill", "amount_minor": amount, "reason": "x"}
        self._begin("refund", self._business(order_id), {"request": asked})

    @precondition(lambda self: bool(self.told.quoted))
    @rule(which=st.integers(0, 99), share=st.lists(st.integers(0, 2), min_size=1, max_size=3), whole=st.booleans())
    def cancel(self, which: int, share: list[int], whole: bool) -> None:
        self._count("cancel")
        known = list(self.told.quoted)
        order_id = known[which % len(known)]
        sold = order_id in self.told.model.sales
        lines = self._units(order_id, share) if sold and not whole else []
        self._begin("cancel", self._business(order_id), {"order_id": order_id, "lines": lines, "reason": "x"})

    @property
    def _asking(self) -> list[Run]:
        """Runs that go on only once somebody has said something."""
        deep = [_deepest(run) for run in self.runs if not run.is_over]
        return [run for run in deep if run.waits and not run.is_over and run.parked is None]

    @precondition(lambda self: bool(self._asking))
    @rule(which=st.integers(0, 99), decision=st.sampled_from(["approve", "approve", "refuse"]))
    def decide(self, which: int, decision: str) -> None:
        """Somebody else decides what a run asks for, or the bank decides a dispute."""
        self._count("decide")
        deep = self._asking[which % len(self._asking)]
        deep.decision = decision
        deep.event = {"outcome": "won" if decision == "approve" else "lost"} if deep.process == "chargeback" else {}

    @precondition(lambda self: bool(self.told.model.sales))
    @rule(which=st.integers(0, 99), amount=st.integers(1, 60_00))
    def charge_back(self, which: int, amount: int) -> None:
        """The buyer's bank takes money back of a card; the provider tells, twice."""
        order_id = self._order(which)
        cards = [source for source in self.told.model.sales[order_id].sources if source.is_card]
        if not cards or cards[0].left <= 0:
            return
        amount = min(amount, cards[0].left)
        cards[0].charged_back += amount
        self._count("charge_back")
        with self.driver.sessions() as session, session.begin():
            payment = session.scalar(
                text("SELECT id FROM payment WHERE order_id = :id AND method LIKE 'sim_%' ORDER BY position LIMIT 1"),
                {"id": order_id},
            )
            charge_back(session, str(payment), amount)
        post_due(self.driver.sessions, self._receive)

    def _receive(self, headers: dict[str, str], body: bytes) -> int:
        for _ in range(2):
            with self.driver.sessions() as session, session.begin():
                told = receive(session, read_simulated(headers, body))
            if told.to_begin is not None:
                begin = told.to_begin
                self.runs.append(
                    self.driver.begin(
                        begin.process, begin.identity.business, begin.input, key=self._key(), actor=begin.actor
                    )
                )
        return 200

    # --- money that is due

    @precondition(lambda self: any(sale.owed for sale in self.told.model.sales.values()))
    @rule(
        which=st.integers(0, 99),
        by=st.sampled_from(["provider", "courier"]),
        method=st.sampled_from(["sim_ok", "sim_declined", "sim_timeout_done"]),
    )
    def collect(self, which: int, by: str, method: str) -> None:
        self._count("collect")
        owing = [order_id for order_id, sale in self.told.model.sales.items() if sale.owed]
        order_id = owing[which % len(owing)]
        self._begin("collect", self._business(order_id), {"order_id": order_id, "by": by, "method": method})

    @precondition(lambda self: bool(self.told.model.sales))
    @rule(business=st.sampled_from(sorted(BUSINESSES)))
    def settle(self, business: str) -> None:
        self._count("settle")
        self._begin("settlement", business, {}, actor="user:planner")

    @precondition(lambda self: bool(self._refused))
    @rule(which=st.integers(0, 99))
    def pay_again(self, which: int) -> None:
        """A payout that the bank refused is run again as the same payout."""
        self._count("pay_again")
        run = self._refused[which % len(self._refused)]
        self.again.add(run.id)
        self._begin("payout", run.business, run.start.input)

    @property
    def _refused(self) -> list[Run]:
        return [run for run in self.payouts if run.outcome == "failed" and run.id not in self.again]

    def _business(self, order_id: str) -> str:
        sale = self.told.model.sales.get(order_id)
        if sale is not None:
            return sale.business
        return next(run.business for run in self.runs if (run.values.get("open") or {}).get("order_id") == order_id)


def _deepest(run: Run) -> Run:
    while run.child is not None:
        run = run.child
    return run
