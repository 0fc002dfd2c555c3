"""Statements of sellers: they add up, they are the same bytes for the same data, and no text becomes a formula."""

import io
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook

from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.settlement.banks.simulator import SimulatedBank
from capabilities.settlement.contract import SellerStatement, StatementLine
from capabilities.settlement.queries_payout import balance_of_seller
from capabilities.settlement.queries_statement import statement_of, statements_page
from capabilities.settlement.service_payouts import approve, close
from capabilities.settlement.service_statements import issue_for_days, issue_for_payout
from capabilities.settlement.statement_files import csv_file, statement_file, xlsx_file
from tests.capabilities.settlement.sellers import a_refund, a_sale, planned, sent

SHANGHAI = ZoneInfo("Asia/Shanghai")


def a_statement(currency="CNY", reference="r1", amount=-12_34):
    line = StatementLine(
        booked_at=datetime(2026, 3, 2, 20, tzinfo=UTC),
        kind="reversal",
        order_id="=1+1",
        line_id="l1",
        reference=reference,
        base_minor=-13_71,
        commission_minor=-1_37,
        tax_minor=0,
        channel_fee_minor=0,
        withheld_minor=0,
        amount_minor=amount,
    )
    return SellerStatement(
        id="sst_1",
        business="retail",
        seller_id="s_one",
        currency=currency,
        payout_id=None,
        starts_at=datetime(2026, 3, 1, tzinfo=UTC),
        ends_at=datetime(2026, 4, 1, tzinfo=UTC),
        opening_minor=20_00,
        lines=(line,),
        closing_minor=20_00 + amount,
    )


def test_the_csv_file_reads_as_expected_in_both_languages():
    english = csv_file(a_statement(), language="en", zone=SHANGHAI).decode("utf-8-sig").splitlines()
    chinese = csv_file(a_statement(), language="zh", zone=SHANGHAI).decode("utf-8-sig").splitlines()

    assert english[0].startswith("Booked,Kind,Order,Line,Reference,Amount without tax (CNY),Commission (CNY)")
    assert english[1:] == [
        "2026-03-01 08:00:00 CST,Balance before,,,s_one,,,,,,20.00",
        "2026-03-03 04:00:00 CST,Refund,'=1+1,l1,r1,-13.71,1.37,0.00,0.00,0.00,-12.34",
        "2026-04-01 08:00:00 CST,Balance after,,,s_one,,,,,,7.66",
    ]
    assert chinese[2].startswith("2026-03-03 04:00:00 CST,退款,")


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\tx", " =1"])
def test_no_text_is_taken_for_a_formula(text):
    statement = a_statement(reference=text)

    assert f"'{text}" in csv_file(statement, language="en", zone=SHANGHAI).decode()
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(xlsx_file(statement, language="en", zone=SHANGHAI)))
    assert workbook.get_sheet_by_index(0).to_python()[2][4] == f"'{text}"


@pytest.mark.parametrize(("currency", "expected"), [("CNY", -12.34), ("JPY", -1234.0), ("KWD", -1.234)])
def test_amounts_in_the_workbook_are_numbers_with_the_decimals_of_the_currency(currency, expected):
    content = xlsx_file(a_statement(currency), language="zh", zone=SHANGHAI)

    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()

    assert (rows[2][1], rows[2][10]) == ("退款", expected)


def test_the_same_statement_is_the_same_bytes(time_machine):
    time_machine.move_to("2026-05-01T00:00:00Z", tick=False)
    first = [make(a_statement(), language="en", zone=SHANGHAI) for make in (csv_file, xlsx_file)]
    time_machine.move_to("2027-06-02T11:11:11Z", tick=False)

    assert [make(a_statement(), language="en", zone=SHANGHAI) for make in (csv_file, xlsx_file)] == first


def test_a_statement_over_days_opens_where_the_last_closed_and_closes_with_what_is_owed(sessions, time_machine):
    bank = SimulatedBank(lambda: sessions)
    with sessions() as session, session.begin():
        time_machine.move_to("2026-03-02T10:00:00+08:00", tick=False)
        a_sale(session, "o1")
        time_machine.move_to("2026-03-03T10:00:00+08:00", tick=False)
        payout = planned(session).batch.payouts[0]
        approve(session, payout.batch_id, approver="approver")
        sent(session, payout.id, bank)
        close(session, payout.id)
        a_refund(session, "o1", "r1", 50_00)
        a_sale(session, "o2", base=30_00)
        about = {"seller_id": "s_one", "currency": "CNY"}

        first = issue_for_days(session, "retail", **about, first=date(2026, 3, 1), last=date(2026, 3, 2))
        second = issue_for_days(session, "retail", **about, first=date(2026, 3, 3), last=date(2026, 3, 3))

        shown = statement_of(session, second.id)
        assert (first.closing_minor, shown.opening_minor, shown.closing_minor) == (90_00, 90_00, -18_00)
        assert sorted(line.amount_minor for line in shown.lines) == [-90_00, -45_00, 27_00]
        assert shown.closing_minor == balance_of_seller(session, "retail", "s_one", "CNY").owed_minor
        assert issue_for_days(session, "retail", **about, first=date(2026, 3, 3), last=date(2026, 3, 3)) == second
        assert [found.id for found in statements_page(session, "retail")[0]].count(second.id) == 1


def test_the_statement_of_a_payout_adds_up_to_it_and_is_issued_once(sessions):
    bank = SimulatedBank(lambda: sessions)
    with sessions() as session, session.begin():
        a_sale(session, "o1")
        a_refund(session, "o1", "r1", 50_00)
        payout = planned(session).batch.payouts[0]
        approve(session, payout.batch_id, approver="approver")
        sent(session, payout.id, bank)
        close(session, payout.id)

        issued = issue_for_payout(session, payout.id)

        assert issue_for_payout(session, payout.id) == issued
        file = statement_file(session, "retail", issued.id, form="csv", language="en")
        assert (file.name, file.content.count(b"\r\n")) == (f"{issued.id}.csv", 4)
        with pytest.raises(MissingError, match="no statement"):
            statement_file(session, "finance", issued.id, form="xlsx", language="en")
        lines = statement_of(session, issued.id).lines
        assert [(line.kind, line.base_minor, line.commission_minor, line.amount_minor) for line in lines] == [
            ("earning", 100_00, 10_00, 90_00),
            ("reversal", -50_00, -5_00, -45_00),
        ]
        assert issued.closing_minor == payout.amount_minor == 45_00


def test_days_the_wrong_way_round_and_unknown_statements_are_refused(session):
    with pytest.raises(InvalidError, match="lies before the first"):
        issue_for_days(session, "retail", seller_id="s", currency="CNY", first=date(2026, 3, 2), last=date(2026, 3, 1))
    with pytest.raises(MissingError, match="no statement"):
        statement_of(session, "none")
