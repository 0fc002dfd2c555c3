"""The simulator's statement: every act of a day with its fee, and what the bank is sent."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.settings import settings
from capabilities.payment.contract import STATEMENT_COLUMNS
from capabilities.payment.providers.simulator_messages import charge_back
from capabilities.payment.providers.simulator_statement import bank_credit, fee_of, simulated_statement
from capabilities.payment.statements import statement_csv, statement_lines
from tests.capabilities.payment.test_refunds import Desk

DAY = date(2026, 3, 2)


@pytest.fixture
def lines(sessions, simulator, monkeypatch):
    """A charge in two cards, a refund over both and a chargeback, all on one day; a refund the day after."""
    monkeypatch.setattr(settings(), "secret_key", "a secret of tests")
    with time_machine.travel(datetime(2026, 3, 2, 12, tzinfo=UTC), tick=True):
        order = Desk(sessions, ("sim_ok", 10_000), ("sim_ok", 5_050)).sell()
        order.refund(1_505)
        with sessions.begin() as session:
            charge_back(session, order.payments()[1].id, 2_000)
    with time_machine.travel(datetime(2026, 3, 3, 12, tzinfo=UTC), tick=True):
        order.refund(100, "rfd_2")
    with sessions() as session:
        return simulated_statement(session, "retail", DAY, "CNY")


def test_a_day_has_every_act_with_its_fee_and_net(lines):
    told = sorted((line.kind, line.gross_minor, line.fee_minor, line.net_minor) for line in lines)

    assert told == [
        ("charge", 5_050, 30, 5_020),
        ("charge", 10_000, 60, 9_940),
        ("chargeback", -2_000, 1_500, -3_500),
        ("refund", -1_000, 0, -1_000),
        ("refund", -505, 0, -505),
    ]
    assert {line.settled_on for line in lines} == {"2026-03-02"}


def test_the_bank_is_sent_what_the_nets_add_up_to_under_the_lines_reference(lines):
    credit = bank_credit("retail", DAY, "CNY", lines)

    assert (credit.amount_minor, credit.credited_on) == (9_955, DAY + timedelta(days=1))
    assert {line.bank_reference for line in lines} == {credit.reference}
    assert bank_credit("retail", DAY, "CNY", [line for line in lines if line.gross_minor < 0]) is None


def test_references_are_our_own_keys(lines, sessions):
    order = Desk(sessions)
    ours = {event.reference for payment in order.payments() for event in payment.events}

    assert {line.reference for line in lines if line.kind != "chargeback"} <= ours


def test_a_file_is_read_as_it_was_written(lines):
    text = statement_csv(lines)

    assert text.splitlines()[0] == ",".join(STATEMENT_COLUMNS)
    assert statement_lines(text) == lines
    assert statement_lines("\ufeff" + text) == lines


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("line_id", "id", "columns"),
        (",9940,", ",9941,", "net is not gross less fee"),
        ("retail,", "retail,,", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(lines, old, new, word):
    with pytest.raises(InvalidError) as error:
        statement_lines(statement_csv(lines).replace(old, new, 1))
    assert word in str(error.value)


@pytest.mark.parametrize(("amount", "fee"), [(83, 0), (84, 1), (250, 2), (1_000_000, 6_000)])
def test_the_fee_is_rounded_half_up(amount, fee):
    assert fee_of("charge", amount) == fee
