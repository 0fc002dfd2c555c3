"""The ledger against a small model, by any walk of operations."""

from collections import Counter
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.orm import Session

from capabilities.account.contract import AccountKind, AccountRef, Exchange, Origin, Phase, TransferRequest
from capabilities.account.queries import balance_of, trial_balance
from capabilities.account.service import correction_id, limit_account, post_transfers
from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError, RefusedError

ORIGIN = Origin(actor="tester", correlation_id="cor_1")
ACCOUNTS = [
    AccountRef(business="model", kind=kind, party=party, currency=currency)
    for currency in ("CNY", "EUR")
    for kind, party in (
        (AccountKind.BANK, ""),
        (AccountKind.TAX_PAYABLE, ""),
        (AccountKind.BUYER_WALLET, "ann"),
        (AccountKind.BUYER_WALLET, "bob"),
    )
]


def _account(kind: AccountKind, party: str, currency: str) -> AccountRef:
    return AccountRef(business="model", kind=kind, party=party, currency=currency)


PAIRS = [(a, b) for a in ACCOUNTS for b in ACCOUNTS if a.currency == b.currency and a != b]


def test_any_walk_of_transfers_leaves_what_the_model_says(engine):
    run_state_machine_as_test(
        lambda: Ledger(engine), settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
    )


class Ledger(RuleBasedStateMachine):
    """The model: posted balances and open holds by account, nothing else."""

    pending = Bundle("pending")

    def __init__(self, engine):
        super().__init__()
        self.session = Session(engine, expire_on_commit=False)
        self.ids = count()
        self.posted: Counter[str] = Counter()
        self.leaving: Counter[str] = Counter()
        self.coming: Counter[str] = Counter()
        self.highest: dict[str, int] = {}
        self.corrected: set[str] = set()
        self.made: list[TransferRequest] = []

    def teardown(self):
        self.session.rollback()
        self.session.close()

    def _moves(self, debit, credit, amount):
        """Signed change of each account on its own side."""
        return {
            debit: amount if debit.side == "asset" else -amount,
            credit: -amount if credit.side == "asset" else amount,
        }

    def _fits(self, changes):
        """Whether every account that the set touches stays inside its limits, pending counted."""
        floor = all(
            ref.lowest_minor is None or self.posted[ref.id] + change - self.leaving[ref.id] >= ref.lowest_minor
            for ref, change in changes.items()
        )
        return floor and all(
            ref.id not in self.highest or self.posted[ref.id] + change + self.coming[ref.id] <= self.highest[ref.id]
            for ref, change in changes.items()
        )

    def _post(self, *requests):
        try:
            post_transfers(self.session, requests, origin=ORIGIN)
        except RefusedError:
            return False
        self.made.extend(requests)
        return True

    def _request(self, pair, amount, phase=Phase.SINGLE):
        debit, credit = pair
        return TransferRequest(
            id=f"m{next(self.ids)}",
            debit=debit,
            credit=credit,
            amount_minor=amount,
            phase=phase,
            subject="model",
            reason="walk",
        )

    @rule(pairs=st.lists(st.tuples(st.sampled_from(PAIRS), st.integers(1, 90)), min_size=1, max_size=3))
    def post_a_set(self, pairs):
        changes: Counter[AccountRef] = Counter()
        for pair, amount in pairs:
            changes.update(self._moves(*pair, amount))
        fits = self._fits(changes)
        assert self._post(*(self._request(pair, amount) for pair, amount in pairs)) is fits
        if fits:
            self.posted.update({ref.id: change for ref, change in changes.items()})

    @rule(target=pending, pair=st.sampled_from(PAIRS), amount=st.integers(1, 90))
    def hold(self, pair, amount):
        moves = self._moves(*pair, amount)
        leaving = {ref: change for ref, change in moves.items() if change < 0}
        coming = {ref: change for ref, change in moves.items() if change > 0}
        request = self._request(pair, amount, Phase.PENDING)
        fits = self._fits(leaving) and self._fits(coming)
        assert self._post(request) is fits
        if not fits:
            return multiple()
        self.leaving.update({ref.id: -change for ref, change in leaving.items()})
        self.coming.update({ref.id: change for ref, change in coming.items()})
        return request

    @rule(request=consumes(pending), part=st.none() | st.integers(1, 90))
    def resolve(self, request, part):
        changes = self._moves(request.debit, request.credit, request.amount_minor)
        posted = min(part, request.amount_minor) if part is not None else None
        phase = Phase.VOID if part is not None and part % 3 == 0 else Phase.POST
        resolving = TransferRequest(
            id=f"m{next(self.ids)}",
            phase=phase,
            pending_id=request.id,
            amount_minor=posted if phase is Phase.POST else None,
            subject="model",
            reason="walk",
        )
        assert self._post(resolving)
        self.leaving.subtract({ref.id: -change for ref, change in changes.items() if change < 0})
        self.coming.subtract({ref.id: change for ref, change in changes.items() if change > 0})
        if phase is Phase.POST:
            moved = self._moves(request.debit, request.credit, posted or request.amount_minor)
            self.posted.update({ref.id: change for ref, change in moved.items()})

    @rule(data=st.data())
    def take_back(self, data):
        posted = [one for one in self.made if one.phase is Phase.SINGLE and one.exchange is None]
        if not posted:
            return
        request = data.draw(st.sampled_from(posted))
        changes = self._moves(request.credit, request.debit, request.amount_minor)
        back = request.model_copy(
            update={
                "id": correction_id(request.id),
                "debit": request.credit,
                "credit": request.debit,
                "corrects_id": request.id,
            }
        )
        if request.id in self.corrected:
            assert post_transfers(self.session, [back], origin=ORIGIN)[0].corrects_id == request.id
            return
        fits = self._fits(changes)
        assert self._post(back) is fits
        if fits:
            self.corrected.add(request.id)
            self.posted.update({ref.id: change for ref, change in changes.items()})

    @rule(amount=st.integers(1, 90), who=st.sampled_from(["ann", "bob"]))
    def exchange(self, amount, who):
        wallet, other = (_account(AccountKind.BUYER_WALLET, who, currency) for currency in ("CNY", "EUR"))
        euros = max(1, amount // 8)
        into, out = (_account(AccountKind.EXCHANGE, "", currency) for currency in ("CNY", "EUR"))
        ids = [f"m{next(self.ids)}" for _ in range(2)]
        rate = Exchange(other_id=ids[1], numerator=euros, denominator=amount)
        halves = [
            self._request((wallet, into), amount).model_copy(update={"id": ids[0], "exchange": rate}),
            self._request((out, other), euros).model_copy(update={"id": ids[1], "exchange": rate.of_other(ids[0])}),
        ]
        changes = self._moves(wallet, into, amount) | self._moves(out, other, euros)
        fits = self._fits(changes)
        try:
            post_transfers(self.session, halves, origin=ORIGIN)
        except RefusedError:
            assert not fits
            return
        assert fits
        self.posted.update({ref.id: change for ref, change in changes.items()})

    @rule(highest=st.integers(0, 150), who=st.sampled_from(["ann", "bob"]))
    def set_a_ceiling(self, highest, who):
        wallet = _account(AccountKind.BUYER_WALLET, who, "CNY")
        fits = self.posted[wallet.id] + self.coming[wallet.id] <= highest
        try:
            with self.session.begin_nested():
                limit_account(self.session, wallet, lowest_minor=0, highest_minor=highest)
        except (RefusedError, MissingError):
            assert not fits or balance_of(self.session, wallet).credits_posted_minor == 0
            return
        assert fits
        self.highest[wallet.id] = highest

    @rule(data=st.data())
    def post_again(self, data):
        if self.made:
            request = data.draw(st.sampled_from(self.made))
            assert post_transfers(self.session, [request], origin=ORIGIN)[0].id == request.id
            other = request.model_copy(update={"reason": "another"})
            try:
                post_transfers(self.session, [other], origin=ORIGIN)
            except ConflictError:
                return
            raise AssertionError("another body was taken")

    @invariant()
    def balances_are_the_models(self):
        for ref in ACCOUNTS:
            stored = balance_of(self.session, ref)
            assert stored == balance_of(self.session, ref, at=now())
            assert (stored.minor, stored.minor - stored.available_minor) == (self.posted[ref.id], self.leaving[ref.id])

    @invariant()
    def each_currency_sums_to_zero(self):
        assert [page.difference_minor for page in trial_balance(self.session, "model")] in ([], [0], [0, 0])
