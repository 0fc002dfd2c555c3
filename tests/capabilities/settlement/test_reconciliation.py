"""Reconciliation is a partition: injected mistakes are found exactly, and neither order nor repetition of files matters."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.kernel.errors import ConflictError, InvalidError, RefusedError
from capabilities.kernel.ids import derived_id
from capabilities.settlement.contract import ImportFile, Mistake, ReconFilters, ReconRow, ResolveMistake, Side, Standing
from capabilities.settlement.models_reconciliation import ReconRowRow
from capabilities.settlement.queries_reconciliation import files_page, open_keys, recon_counts, rows_page
from capabilities.settlement.reconciling import Reach, partition
from capabilities.settlement.service_reconciliation import import_file, note, reconcile, resolve, take
from capabilities.settlement.statement_reading import read_statement

START = datetime(2026, 3, 1, tzinfo=UTC)
HEAD = "reference,kind,currency,gross_minor,fee_minor,net_minor,occurred_at,bank_reference"
BANK_HEAD = "reference,amount_minor,currency,value_date"
DAYS = 4


class World:
    """Acts of some days, the provider's statement of each, the bank's credits, and mistakes made on purpose."""

    def __init__(self, seed: int, acts: int, spoilt: dict[int, str]) -> None:
        rng = random.Random(seed)
        self.ours: list[ReconRow] = []
        self.provider: dict[int, list[str]] = {day: [] for day in range(DAYS)}
        self.expected: Counter[str] = Counter()
        nets: Counter[int] = Counter()
        for number in range(acts):
            day = rng.randrange(DAYS - 2)  # the last days only show that the statements reach past all of it
            kind = rng.choice(["charge", "charge", "refund"])
            amount = rng.randint(1, 500_00) * (1 if kind == "charge" else -1)
            fee = rng.randint(0, 50)
            at = START + timedelta(days=day, seconds=rng.randrange(80_000))
            row = an_act(f"ref{number}", kind, amount, at)
            told = [f"ref{number}", kind, "CNY", amount, fee, amount - fee, at.isoformat(), f"pay{day}"]
            self._spoil(spoilt.get(number), row, told, day, nets)
        self.bank = [BANK_HEAD] + [
            f"pay{day},{nets[day]},CNY,{(START + timedelta(days=day + 1)).isoformat()}"
            for day in range(DAYS)
            if nets[day]
        ]
        self.bank.append(f"other,5,CNY,{(START + timedelta(days=DAYS)).isoformat()}")
        for day in (DAYS - 2, DAYS - 1):
            at = START + timedelta(days=day, hours=23)
            self.ours.append(an_act(f"end{day}", "charge", 100, at))
            self.provider[day].append(f"end{day},charge,CNY,100,0,100,{at.isoformat()},end{day}")
            self.bank.append(f"end{day},100,CNY,{at.isoformat()}")

    def _spoil(self, how: str | None, row: ReconRow, told: list[object], day: int, nets: Counter[int]) -> None:
        ours, theirs = [row], [told]
        if how == "missing_at_provider":
            theirs = []
        elif how == "missing_here":
            ours = []
        elif how == "amount":
            ours = [row.model_copy(update={"amount_minor": row.amount_minor + 7})]
        elif how == "currency":
            ours = [row.model_copy(update={"currency": "EUR"})]
        elif how == "fee":
            ours = [row.model_copy(update={"fee_minor": told[4] + 3})]
        elif how == "status":
            ours = [row.model_copy(update={"status": "failed"})]
        elif how == "duplicate":
            theirs = [told, told]
        if how is not None:
            both = how in ("amount", "currency", "fee", "status")
            self.expected[how] += 2 if both else 1
        self.ours += ours
        for position, cells in enumerate(theirs):
            nets[day] += cells[5] if position == 0 else 0
            self.provider[day].append(",".join(map(str, cells)))

    def files(self) -> list[tuple[str, str]]:
        days = [("provider", "\n".join([HEAD, *lines])) for lines in self.provider.values() if lines]
        return [*days, ("bank", "\n".join(self.bank))]


def an_act(reference: str, kind: str, amount: int, at: datetime) -> ReconRow:
    return ReconRow(
        id=derived_id("rcr", kind, reference),
        side=Side.PLATFORM,
        key=f"act:{kind}:{reference}",
        kind=kind,
        amount_minor=amount,
        currency="CNY",
        occurred_at=at,
    )


def taken_in(session, kind, content, *, business="retail"):
    asked = ImportFile(business=business, kind=kind, provider="sim", name="file.csv", content=content)
    return import_file(session, asked, by="op")


def end_state(session, business="retail"):
    rows = session.scalars(select(ReconRowRow).where(ReconRowRow.business == business))
    return sorted(
        (
            row.side,
            row.key,
            row.occurred_at,
            row.amount_minor,
            row.line or 0,
            row.standing,
            row.mistake,
            row.difference_minor,
        )
        for row in rows
    )


HOW = st.sampled_from([mistake.value for mistake in Mistake])


@limits(max_examples=15)
@given(
    st.integers(0, 10_000),
    st.integers(1, 25),
    st.dictionaries(st.integers(0, 24), HOW),
    st.randoms(use_true_random=False),
)
def test_injected_mistakes_are_found_exactly_whatever_the_order_of_files(engine, seed, acts, spoilt, rng):
    world = World(seed, acts, spoilt)
    shuffled = world.files()
    rng.shuffle(shuffled)
    with Session(engine) as session:
        for kind, content in world.files():
            taken_in(session, kind, content, business="one")
        reconcile(session, "one", "sim", world.ours)
        for kind, content in shuffled:  # one by one, with the acts known more and more, and every file twice
            taken_in(session, kind, content, business="two")
            known = rng.sample(world.ours, rng.randint(0, len(world.ours)))
            reconcile(session, "two", "sim", [row.model_copy(update={"id": row.id + "b"}) for row in known])
            assert taken_in(session, kind, content, business="two")[1] is False
        reconcile(session, "two", "sim", [row.model_copy(update={"id": row.id + "b"}) for row in world.ours])

        one, two = end_state(session, "one"), end_state(session, "two")
        assert one == two
        found = Counter(mistake for *_, mistake, _ in one if mistake is not None)
        assert found == world.expected
        assert reconcile(session, "one", "sim", world.ours).moved == 0
        assert end_state(session, "one") == one
        session.rollback()


def days(number):
    return START + timedelta(days=number)


def provider_row(id_, reference="r1", amount=100, at=START, **more):
    row = an_act(reference, "charge", amount, at)
    return row.model_copy(update={"id": id_, "side": Side.PROVIDER, "fee_minor": 2, **more})


NO_REACH = Reach(provider=None, bank=None, patience=timedelta(days=1))
FAR = Reach(provider=days(10), bank=days(10), patience=timedelta(days=1))


def test_a_row_waits_until_the_other_sides_statements_have_passed_it():
    row = an_act("r1", "charge", 100, days(2))

    stands = [
        partition([row], Reach(provider=days(day), bank=None, patience=timedelta(days=1)))[0] for day in (2, 3, 4)
    ]

    assert [verdict.standing for verdict in stands] == [Standing.PARKED, Standing.PARKED, Standing.MISTAKE]
    assert (stands[2].mistake, stands[2].difference_minor) == (Mistake.MISSING_AT_PROVIDER, -100)


def test_of_two_rows_of_a_statement_the_one_that_fits_counts():
    rows = [an_act("r1", "charge", 100, START), provider_row("a", amount=90), provider_row("b", at=days(1))]

    verdicts = {verdict.row_id: verdict for verdict in partition(rows, NO_REACH)}

    assert verdicts["b"].standing is Standing.MATCHED
    assert (verdicts["a"].mistake, verdicts["a"].partner_id) == (Mistake.DUPLICATE, "b")


def test_what_failed_on_both_sides_or_only_here_is_at_rest():
    failed = an_act("r1", "charge", 100, START).model_copy(update={"status": "failed"})

    assert partition([failed], FAR)[0].standing is Standing.MATCHED
    both = partition([failed, provider_row("a", status="failed")], FAR)
    assert {verdict.standing for verdict in both} == {Standing.MATCHED}


def test_a_pending_act_that_the_provider_has_done_waits_for_our_record():
    pending = an_act("r1", "charge", 100, days(9)).model_copy(update={"status": "pending"})
    rows = [pending, provider_row("a", at=days(9))]

    assert {verdict.standing for verdict in partition(rows, FAR)} == {Standing.PARKED}
    late = [pending.model_copy(update={"occurred_at": days(1)}), rows[1]]
    assert {verdict.mistake for verdict in partition(late, FAR)} == {Mistake.STATUS}


@pytest.mark.parametrize(
    ("bank", "expected"),
    [
        (98, (Standing.MATCHED, None, 0)),
        (97, (Standing.MISTAKE, Mistake.AMOUNT, -1)),
        (None, (Standing.MISTAKE, Mistake.MISSING_HERE, -98)),
    ],
)
def test_the_net_of_a_payout_is_compared_with_the_banks_credit(session, bank, expected):
    taken_in(session, "provider", f"{HEAD}\nr1,charge,CNY,100,2,98,2026-03-01,p1\n")
    credited = [] if bank is None else [f"p1,{bank},CNY,2026-03-02"]
    taken_in(session, "bank", "\n".join([BANK_HEAD, *credited, "far,1,CNY,2026-03-20"]))

    done = reconcile(session, "retail", "sim", [an_act("r1", "charge", 100, START)])

    assert [(one.credited_minor, one.fees_minor) for one in done.credited] == ([(98, 2)] if bank == 98 else [])
    assert reconcile(session, "retail", "sim", []).credited == ()
    (payout,) = rows_page(session, ReconFilters(business="retail", sides=(Side.PROVIDER_PAYOUT,))).rows
    assert (payout.row.amount_minor, payout.standing, payout.mistake, payout.difference_minor) == (98, *expected)


def test_what_a_provider_takes_from_our_bank_is_booked_too(session):
    taken_in(session, "provider", f"{HEAD}\nr1,refund,CNY,-100,0,-100,2026-03-01,p1\n")
    taken_in(session, "bank", f"{BANK_HEAD}\np1,-100,CNY,2026-03-02\nfar,1,CNY,2026-03-20")

    done = reconcile(session, "retail", "sim", [an_act("r1", "refund", -100, START)])

    assert [(one.credited_minor, one.fees_minor) for one in done.credited] == [(-100, 0)]


def test_a_later_file_resolves_what_was_parked(session):
    act = an_act("r1", "charge", 100, days(1))
    taken_in(session, "provider", f"{HEAD}\nr0,charge,CNY,5,0,5,2026-03-01,p0\n")
    reconcile(session, "retail", "sim", [act, an_act("r0", "charge", 5, START)])
    assert open_keys(session, "retail", "sim") == ("r1",)

    taken_in(session, "provider", f"{HEAD}\nr1,charge,CNY,100,0,100,2026-03-02,p1\n")
    reconcile(session, "retail", "sim", [])

    assert open_keys(session, "retail", "sim") == ()
    assert [file.matched for file in files_page(session, "retail", kind="provider").files] == [1, 1]


def test_an_unreadable_statement_is_refused_with_the_lines_and_nothing_is_taken_in(session):
    content = (
        f"{HEAD}\nr1,charge,CNY,x,0,5,2026-03-01,p\nr2,sale,CNY,5,0,5,2026-03-01,p\nr3,charge,CNY,5,1,5,2026-03-01,p\n"
    )

    with pytest.raises(InvalidError) as caught:
        taken_in(session, "provider", content)

    assert caught.value.details["lines"] == [
        {"line": 2, "message": "'x' is not a whole number."},
        {
            "line": 3,
            "message": "there is no kind 'sale'; known are charge, chargeback, chargeback_reversal, refund, refund_reversal.",
        },
        {"line": 4, "message": "the net of 5 is not 5 less the fee of 1."},
    ]
    assert files_page(session, "retail").files == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,b\n1,2\n", "Line 1: the statement has no column for reference, currency, occurred_at, amount."),
        ("", "Line 1: the statement has no column"),
        (f"{BANK_HEAD}\n", "The statement has no lines."),
        (f'{BANK_HEAD}\n"p1,1,CNY,2026-03-01\n', "This is not CSV"),
    ],
)
def test_a_file_that_is_no_statement_says_why(content, told):
    with pytest.raises(InvalidError, match=told):
        read_statement(content, "bank", file_id="f")


def test_columns_may_have_other_names_another_order_and_another_separator():
    content = "\ufeffValue_Date;Amount;CCY;Description\n2026-03-01T10:00:00+08:00;1,234.50;cny;p1\n\n"

    (read,) = read_statement(content, "bank", file_id="f")

    assert (read.line, read.row.amount_minor, read.row.currency, read.row.key) == (2, 1234_50, "CNY", "pay:p1")
    assert read.row.occurred_at == datetime(2026, 3, 1, 2, tzinfo=UTC)


def a_mistake(session, amount):
    taken_in(session, "provider", f"{HEAD}\nr1,charge,CNY,{amount},0,{amount},2026-03-01,p1\n")
    reconcile(session, "retail", "sim", [an_act("r1", "charge", amount + 500_00, START)])
    page = rows_page(session, ReconFilters(business="retail", sides=(Side.PLATFORM,), is_open=True))
    return page.rows[0].row.id


def test_people_take_note_and_resolve_a_mistake_with_its_counterpart(session):
    row_id = a_mistake(session, 100)
    assert recon_counts(session, "retail").open == 1
    assert recon_counts(session, "retail").open_minor == {"CNY": 500_00}

    assert take(session, "retail", row_id, by="ann").taken_by == "ann"
    assert note(session, "retail", row_id, "asked the provider").note == "asked the provider"
    done = resolve(
        session, "retail", ResolveMistake(row_id=row_id, resolution="provider_mends", reason="they do"), by="ann"
    )

    assert (done.resolved_by, done.resolution, recon_counts(session, "retail").open) == ("ann", "provider_mends", 0)
    with pytest.raises(ConflictError, match="resolved already"):
        resolve(session, "retail", ResolveMistake(row_id=row_id, resolution="ignore", reason="too old"), by="bob")
    assert reconcile(session, "retail", "sim", [an_act("r1", "charge", 500_00 + 100, START)]).moved == 0


def test_letting_much_money_go_takes_two_people(session):
    row_id = a_mistake(session, 100)
    ignore = ResolveMistake(row_id=row_id, resolution="ignore", reason="too old")

    proposed = resolve(session, "retail", ignore, by="ann")

    assert (proposed.proposed_by, proposed.resolved_at) == ("ann", None)
    with pytest.raises(RefusedError, match="does not confirm it"):
        resolve(session, "retail", ignore, by="ann")
    assert resolve(session, "retail", ignore, by="bob").resolved_by == "bob"
