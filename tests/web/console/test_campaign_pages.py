"""Campaigns, coupons, price lists, gift cards and points as pages: exactly what the books hold, and every refusal in words."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from capabilities.account.contract import Origin
from capabilities.account.gift_cards import freeze_gift_card, issue_gift_card
from capabilities.account.points import grant_points
from capabilities.account.stored import GrantPoints, IssueGiftCard, card_reference
from capabilities.kernel.clock import now
from capabilities.kernel.ids import derived_id
from capabilities.marketing.campaigns import ChangeCampaign, CreateCampaign, NewBudget, TopUp
from capabilities.marketing.contract import CreateCoupon
from capabilities.marketing.coupons import ChangeCoupons, CreateLot
from capabilities.marketing.models import CouponRow, LimitClaimRow, LimitCounterRow
from capabilities.marketing.price_contract import PriceEntry, PriceListTerms, SavePriceList, SetPrices
from capabilities.marketing.prices import save_price_list, set_prices
from capabilities.marketing.queries_campaigns import campaign_of
from capabilities.marketing.queries_coupons import coupons_page
from capabilities.marketing.service import create_coupon
from capabilities.marketing.service_campaigns import change_campaign, create_campaign, top_up
from capabilities.marketing.service_lots import change_coupons, make_codes, open_lot
from capabilities.user.contract import EnrolBuyer
from capabilities.user.service import enrol_buyer
from tests.builders import an_offer, live_rules
from web.access.contract import Role
from web.console.coupon_lots import verdict_of
from web.console.formats import weekday
from web.console.typed import Typed

ORIGIN = Origin(actor="opr_t", correlation_id="cor_1")
HERE = "/console/retail/marketing"


def said(answer) -> str:
    """The text a reader sees."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def key_of(answer) -> str:
    return re.findall(r'name="key" value="([^"]+)"', answer.text)[0]


@pytest.fixture
def spring(rule_set, sessions) -> str:
    """A live campaign with ¥1,000.00, of which ¥950.00 are taken; one rule names it. Returns the budget's id."""
    with sessions.begin() as session:
        budgets = (
            NewBudget(counts="spend", most=100_000, currency="CNY"),
            NewBudget(counts="uses", most=3, per=("buyer",), period="month", zone="Asia/Shanghai"),
        )
        create_campaign(
            session,
            CreateCampaign(business="retail", campaign_id="spring", name_en="Spring", name_zh="春", budgets=budgets),
            "opr_e",
        )
        change_campaign(session, ChangeCampaign(business="retail", campaign_id="spring", act="start"), "opr_e")
        budget = campaign_of(session, "retail", "spring").budgets[0]
        take(session, budget.id, 95_000)
        return budget.id


def take(session, budget_id: str, amount: int) -> None:
    """What orders took of a budget, as the claims of six hours ago say."""
    moment = now() - timedelta(hours=6)
    counter = LimitCounterRow(
        id=derived_id("lct", budget_id),
        slot=0,
        business="retail",
        owner="campaign:spring",
        budget_id=budget_id,
        key="",
        counts="spend",
        total=100_000,
        is_over=False,
        most=100_000,
        used=amount,
        created_at=moment,
    )
    session.add(counter)
    session.flush()
    session.add(
        LimitClaimRow(
            id=derived_id("lcl", budget_id),
            business="retail",
            order_id="ord_1",
            quote_id="quo_1",
            counter_id=counter.id,
            slot=0,
            owner="campaign:spring",
            counts="spend",
            amount=amount,
            returned=0,
            status="redeemed",
            parts={"r_ten": amount},
            expires_at=moment,
            created_at=moment,
            changed_at=moment,
        )
    )


# --- campaigns --------------------------------------------------------------------------------------------------


def test_the_list_says_what_is_left_of_every_budget_and_narrows_by_state(browser_as, spring, sessions):
    with sessions.begin() as session:
        create_campaign(session, CreateCampaign(business="retail", campaign_id="later", name_en="Later"), "opr_e")
    browser = browser_as(Role.AUDITOR)
    page = said(browser.get(f"{HERE}/campaigns"))
    assert "¥50.00 left, 5 %" in page
    assert "at most CNY 1,000.00 in all" in page
    assert "counted for each by itself; used in all: 0 uses" in page
    assert "Later" in page
    drafts = said(browser.get(f"{HERE}/campaigns?status=draft"))
    assert "Later" in drafts
    assert "Spring" not in drafts
    assert "No campaign matches" in said(browser.get(f"{HERE}/campaigns?q=nothing"))


def test_a_campaign_shows_its_burn_down_its_forecast_and_the_rules_that_name_it(browser_as, spring, sessions, rule_set):
    with sessions.begin() as session:
        live_rules(
            session,
            {
                "id": "r_spring",
                "name": "Spring ten",
                "grain": "order",
                "stage": 30,
                "campaign": "spring",
                "effects": [{"kind": "percent_off", "rate_bps": 1000, "apply": "across"}],
            },
        )
    answer = browser_as(Role.EDITOR).get(f"{HERE}/campaigns/spring")
    page = said(answer)
    # 950.00 in the six hours since the first use; the 50.00 that are left go at that pace before the day is over
    assert "Lasts until" in page
    assert "if it goes on as in the last day." in page
    assert "<polyline" in answer.text
    assert "as table" in page
    assert "950.00 950.00 50.00" in page
    assert f"/console/retail/rules/{rule_set}#r-r_spring" in answer.text
    assert "planned" in page
    assert "started" in page


def test_every_change_of_a_budget_stands_in_its_history_with_both_people(browser_as, spring, sessions, people):
    with sessions.begin() as session:
        asked = TopUp(
            business="retail",
            budget_id=spring,
            amount=20_000,
            reason="It sells well",
            request_id="run_1",
            approved_by=people[Role.APPROVER].id,
        )
        top_up(session, asked, people[Role.EDITOR].id)
    page = said(browser_as(Role.EDITOR).get(f"{HERE}/campaigns/spring"))
    assert "Editor Person Approver Person It sells well +200.00 1,200.00" in page


def test_a_wrong_form_says_every_field_at_once_and_keeps_what_was_typed(browser_as, rule_set):
    editor = browser_as(Role.EDITOR)
    answer = editor.submit(
        f"{HERE}/new-campaign",
        campaign_id="spring sale",
        name_en="",
        most1="ten",
        from_at="2026-12-02",
        until_at="2026-12-01",
    )
    page = said(answer)
    assert answer.status_code == 422
    assert "Letters, digits, dots and dashes, such as spring-2027." in page
    assert "This cannot stay blank." in page
    assert "Write an amount such as 1,234.50." in page
    assert "The end is not after the beginning." in page
    assert 'value="spring sale"' in answer.text


def test_who_may_not_plan_sees_why_and_who_can(browser_as, spring):
    operator = browser_as(Role.OPERATOR)
    page = said(operator.get(f"{HERE}/campaigns"))
    assert "Needs an editor. Who can: Admin Person, Editor Person." in page
    assert operator.get(f"{HERE}/new-campaign").status_code == 403
    assert "Send to a second person" not in said(operator.get(f"{HERE}/campaigns/spring"))


def test_pausing_without_a_reason_and_a_budget_of_another_campaign_change_nothing(browser_as, spring, sessions):
    editor = browser_as(Role.EDITOR)
    answer = editor.submit(f"{HERE}/campaigns/spring/change", act="pause", reason="")
    assert answer.status_code == 422
    assert "Say why: it stands in the history." in said(answer)
    assert (
        editor.submit(f"{HERE}/campaigns/spring/top-up", budget_id="bud_none", amount="1", why="x").status_code == 404
    )
    with sessions() as session:
        assert campaign_of(session, "retail", "spring").status == "live"


# --- coupons ----------------------------------------------------------------------------------------------------


@pytest.fixture
def lot(rule_set, sessions) -> list[str]:
    """Ten codes that open SPRING, one of them void; returns them, the newest first."""
    with sessions.begin() as session:
        plan = CreateLot(business="retail", lot_id="spring", opens="SPRING", pattern="SPR-####-????", codes=10)
        open_lot(session, plan, "opr_e")
        make_codes(session, "retail", "spring")
        codes = [one.code for one in coupons_page(session, "retail", lot_id="spring").coupons]
        change_coupons(session, ChangeCoupons(business="retail", act="void", code=codes[0], reason="Leaked"), "opr_e")
        return codes


def test_a_lot_says_how_far_it_is_made_and_that_no_rule_asks_for_it(browser_as, lot):
    page = said(browser_as(Role.EDITOR).get(f"{HERE}/coupons/lots/spring"))
    assert "Codes made 10 of 10 wanted" in page
    assert "None: its codes give nothing." in page
    assert "Void 10 codes for good" in page
    assert "10 codes shown" in page


def test_codes_are_found_by_their_beginning_and_by_state(browser_as, lot):
    browser = browser_as(Role.OPERATOR)
    found = said(browser.get(f"{HERE}/coupons/codes?q={lot[3][:9].lower()}"))
    assert lot[3] in found
    void = said(browser.get(f"{HERE}/coupons/codes?state=void"))
    assert lot[0] in void
    assert "1 code shown" in void


def test_a_code_says_why_it_cannot_be_used(browser_as, lot):
    page = said(browser_as(Role.OPERATOR).get(f"{HERE}/coupons/code?code={lot[0]}"))
    assert f"The coupon {lot[0]} is not valid any more. Leaked" in page
    assert "Nobody has used it yet." in page
    assert "Void for good" not in page


@pytest.mark.parametrize(
    ("pattern", "codes", "enough", "space"),
    [
        ("SAVE-####", "10", False, 4_096),  # 8 digits in 4 places
        ("####-????", "100", True, 4_096 * 22**4),
        ("WORD", "1", False, 1),
    ],
)
def test_the_verdict_counts_what_a_pattern_can_make(pattern, codes, enough, space):
    visit = SimpleNamespace(request=SimpleNamespace(state=SimpleNamespace()))
    verdict = verdict_of(Typed(visit, pattern=pattern, codes=codes))  # type: ignore[arg-type]
    assert verdict is not None
    assert verdict.is_enough is enough
    assert verdict.space == space


def test_a_guessable_pattern_is_refused_before_anything_starts_and_says_what_helps(browser_as, rule_set):
    editor = browser_as(Role.EDITOR)
    form = {"lot_id": "weak", "opens": "WEAK", "pattern": "WEAK-##", "codes": "50", "after_refund": "keep"}
    answer = editor.submit(f"{HERE}/new-lot", **form)
    page = said(answer)
    assert answer.status_code == 422
    assert "Can be guessed: about one guess in 1 would hit one of the 50 codes." in page
    assert "Add 5 more ? or 7 more #, or make fewer codes." in page
    looked = editor.submit(f"{HERE}/new-lot", {"HX-Request": "true"}, look="1", **form)
    assert looked.status_code == 200
    assert "<h1" not in looked.text


def test_a_file_is_looked_at_before_it_is_taken_with_bad_lines_by_number(browser_as, lot, sessions):
    editor = browser_as(Role.EDITOR)
    file = f"code,opens,use_limit\nHELLO-1,HELLO,1\nHELLO-1,HELLO,1\n{lot[1]},OTHER,1\nHELLO-2,HELLO,minus\n"
    answer = editor.submit(f"{HERE}/coupons/import", text=file)
    page = said(answer)
    assert "1 code is new" in page
    assert "1 is there already and says the same" in page
    assert "2 lines are bad and are left out" in page
    assert f"4 There is a coupon {lot[1]} in retail already." in page
    assert re.search(r"5 use_limit: Input should be a valid integer", page)
    with sessions() as session:
        assert coupons_page(session, "retail", find="HELLO").coupons == ()


def test_an_export_streams_every_code_and_no_formula(browser_as, lot, sessions):
    with sessions.begin() as session:
        create_coupon(session, CreateCoupon(business="retail", code="=1+1"))
    answer = browser_as(Role.EDITOR).get(f"{HERE}/coupons/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = answer.text.splitlines()
    assert len(lines) == 12
    assert "'=1+1" in {line.split(",")[0] for line in lines}
    assert len(browser_as(Role.EDITOR).get(f"{HERE}/coupons/export?lot=spring").text.splitlines()) == 11
    assert browser_as(Role.OPERATOR).get(f"{HERE}/coupons/export").status_code == 403


# --- prices -----------------------------------------------------------------------------------------------------


@pytest.fixture
def vip_list(rule_set, sessions) -> None:
    """A list for VIPs: tea at 110.00 from one piece, 99.00 from ten; and of something nobody sells."""
    with sessions.begin() as session:
        an_offer(session, "cup", price=59_00)
        terms = PriceListTerms(code="vip", name_en="For VIPs", name_zh="贵宾", currency="CNY", tier="vip")
        save_price_list(session, SavePriceList(business="retail", terms=terms, reason="New", actor="opr_e"))
        prices = (
            PriceEntry(sku="tea", unit_price_minor=110_00, was_price_minor=128_00, floor_price_minor=90_00),
            PriceEntry(sku="tea", from_quantity=10, unit_price_minor=99_00),
        )
        set_prices(session, SetPrices(business="retail", code="vip", prices=prices, reason="New", actor="opr_e"))


def test_a_list_shows_its_tiers_its_floor_what_it_was_and_the_lowest_of_thirty_days(browser_as, vip_list):
    page = said(browser_as(Role.AUDITOR).get(f"{HERE}/prices/vip"))
    assert "tea tea (en) 1 110.00 90.00 128.00 110.00 128.00" in page
    assert "tea tea (en) 10 99.00 – – 110.00 128.00" in page
    assert "in force" in page
    assert "tier: vip" in page


def test_the_table_of_inputs_names_what_is_wrong_and_what_moved_meanwhile(browser_as, vip_list, sessions):
    editor = browser_as(Role.EDITOR)
    form = editor.get(f"{HERE}/prices/vip/edit")
    version = re.findall(r'name="version" value="([^"]+)"', form.text)[0]
    rows = {"rows": "2", "version": version, "reason": "", "key": key_of(form)}
    row = {"sku0": "tea", "from0": "1", "price0": "80.00", "floor0": "90.00", "was0": ""}
    answer = editor.submit(f"{HERE}/prices/vip/edit", **rows, **row, sku1="cup", price1="")
    page = said(answer)
    assert answer.status_code == 422
    assert "The floor price lies above the price." in page
    assert "A price needs its SKU and an amount." in page
    assert "Say why: it stands in the history of prices." in page
    with sessions.begin() as session:
        more = (PriceEntry(sku="cup", unit_price_minor=50_00),)
        set_prices(session, SetPrices(business="retail", code="vip", prices=more, reason="Other", actor="opr_a"))
    row |= {"price0": "100.00"}
    stale = editor.submit(f"{HERE}/prices/vip/edit", **{**rows, "reason": "Sale", "rows": "1"}, **row)
    assert stale.status_code == 409
    assert "Somebody changed this list meanwhile." in said(stale)
    assert 'value="100.00"' in stale.text


def test_a_file_of_prices_shows_each_difference_first(browser_as, vip_list):
    editor = browser_as(Role.EDITOR)
    answer = editor.submit(
        f"{HERE}/prices/vip/import", text="sku,from_quantity,price\ntea,10,95.00\ncup,1,50.00\n", replace_all="1"
    )
    page = said(answer)
    assert "3 prices change" in page
    assert "~ changed tea 10 99.00 95.00" in page
    assert "+ new cup 1 – 50.00" in page
    assert "− removed tea 1 110.00 –" in page
    bad = editor.submit(f"{HERE}/prices/vip/import", text="sku,price\nnothing,1.00\ntea,x\n")
    assert bad.status_code == 422
    assert "2 sku retail does not sell 'nothing'." in said(bad)
    assert "3 price 'x' is no amount such as 12.50." in said(bad)
    exported = editor.get(f"{HERE}/prices/vip/export").text
    assert exported.splitlines() == ["sku,from_quantity,price,floor,was", "tea,1,110.00,90.00,128.00", "tea,10,99.00,,"]


# --- gift cards and points --------------------------------------------------------------------------------------


@pytest.fixture
def card(rule_set, sessions) -> str:
    with sessions.begin() as session:
        asked = IssueGiftCard(
            key="k1",
            business="retail",
            reference=card_reference("7K2M94QXTT0BVW3E"),
            last4="VW3E",
            currency="CNY",
            amount_minor=200_00,
            subject="complaint 17",
        )
        issued = issue_gift_card(session, asked, origin=ORIGIN)
        freeze_gift_card(session, issued.id, reason="Reported lost")
        return issued.id


def test_a_card_shows_its_last_four_its_statement_and_never_its_code(browser_as, card):
    operator = browser_as(Role.OPERATOR)
    listed = said(operator.get(f"{HERE}/gift-cards?q=vw3e"))
    assert "···· VW3E" in listed
    assert "¥200.00 ¥200.00 ¥0.00" in listed
    page = said(operator.get(f"{HERE}/gift-cards/{card}"))
    assert "Reported lost" in page
    assert "complaint 17" in page
    assert "Thaw the card" in page
    assert "94QX" not in listed + page


def test_gift_cards_are_not_for_everybody(browser_as, card):
    editor = browser_as(Role.EDITOR)
    assert editor.get(f"{HERE}/gift-cards").status_code == 403
    assert "gift-cards" not in editor.get(f"{HERE}/campaigns").text
    auditor = browser_as(Role.AUDITOR)
    assert "Needs an operator. Who can: Admin Person, Operator Person." in said(
        auditor.get(f"{HERE}/gift-cards/{card}")
    )


def test_a_card_for_nothing_or_nobody_is_refused_in_words(browser_as, rule_set):
    answer = browser_as(Role.OPERATOR).submit(
        f"{HERE}/new-gift-card", amount="0", funding="given", buyer_id="b_nobody", reason="", expires_at="2020-01-01"
    )
    page = said(answer)
    assert answer.status_code == 422
    for message in (
        "This is too little.",
        "Nobody is known by this id; see the list of customers.",
        "This cannot stay blank.",
        "This is past.",
    ):
        assert message in page


def test_points_of_a_customer_stand_with_what_moved_them(browser_as, rule_set, sessions):
    with sessions.begin() as session:
        enrol_buyer(session, EnrolBuyer(business="retail", id="b_ann", name="Ann Lee"))
        asked = GrantPoints(
            key="p1", business="retail", buyer_id="b_ann", points=1200, currency="CNY", subject="A late parcel"
        )
        grant_points(session, asked, origin=ORIGIN)
    operator = browser_as(Role.OPERATOR)
    page = said(operator.get(f"{HERE}/points?buyer=b_ann"))
    assert "Ann Lee 1,200 worth ¥12.00" in page
    assert "A late parcel 1,200 1,200" in page
    assert "Nobody known by the id b_bob" in said(operator.get(f"{HERE}/points?buyer=b_bob"))
    refused = operator.submit(f"{HERE}/points", buyer_id="b_ann", points="0", reason="")
    assert refused.status_code == 422
    assert "Say why: it stands in the audit." in said(refused)


# --- today ------------------------------------------------------------------------------------------------------


def test_today_names_budgets_that_end_and_lots_that_run_out_and_leads_to_them(browser_as, spring, lot, sessions):
    with sessions.begin() as session:
        for row in session.query(CouponRow).filter(CouponRow.status == "active"):
            row.used = 1
    answer = browser_as(Role.EDITOR).get("/console/retail/today")
    page = said(answer)
    assert "A budget of Spring lasts until" in page
    assert f'href="{HERE}/campaigns/spring#b-{spring}"' in answer.text
    assert "Lot spring: 0 codes are left" in page
    assert f'href="{HERE}/coupons/lots/spring"' in answer.text


def test_today_says_used_up_as_wrong_and_nothing_of_what_lasts(browser_as, rule_set, sessions):
    with sessions.begin() as session:
        for name, taken in (("gone", 100_000), ("fresh", 0)):
            budgets = (NewBudget(counts="spend", most=100_000, currency="CNY"),)
            create_campaign(
                session,
                CreateCampaign(business="retail", campaign_id=name, name_en=name.title(), budgets=budgets),
                "opr_e",
            )
            change_campaign(session, ChangeCampaign(business="retail", campaign_id=name, act="start"), "opr_e")
            if taken:
                take(session, campaign_of(session, "retail", name).budgets[0].id, taken)
    page = said(browser_as(Role.EDITOR).get("/console/retail/today"))
    assert "A budget of Gone is used up" in page
    assert "Fresh" not in page


def test_a_forecast_is_said_with_the_day_of_the_week():
    at = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
    assert weekday(at, ZoneInfo("Asia/Shanghai"), "en") == "Sunday 29 Nov 18:00"
    assert weekday(at, ZoneInfo("Asia/Shanghai"), "zh") == "11月29日星期日 18:00"
