"""The table of postings: what it says is what the code moves, in both languages, and in the document."""

import re
from pathlib import Path

import pytest

from capabilities.account.contract import AccountKind
from capabilities.account.labels import LABELS, label
from capabilities.account.postings import PLAIN, POSTINGS, RESOLVED, Cause, read_reason, reason, told

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "postings.md"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CODE = re.compile(
    r"[\"'f]+((?:sale|refund|due|chargeback|payout|reserve|statement|courier|gift_card|wallet|points)\.[a-z_]+)[\"']"
)

EVENTS = {"gift_card.issued", "statement.csv"}
"""Names of the same form that are no postings."""


def written() -> list[tuple[str, ...]]:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("| `")]
    return [row for row in cells if len(row) == 5]


def test_the_document_has_every_posting_as_the_code_makes_it():
    wanted = [
        (f"`{posting.code}`", posting.event, label(posting.debit, "en"), label(posting.credit, "en"), posting.en)
        for posting in POSTINGS.values()
    ]
    assert written() == wanted


def test_the_document_tells_every_kind_of_account_and_its_side():
    text = DOCUMENT.read_text(encoding="utf-8")
    for kind in AccountKind:
        assert f"| {label(kind, 'en')} | {label(kind, 'zh')} |" in text


def test_every_posting_the_code_names_stands_in_the_table_and_no_other():
    paths = [*(ROOT / "activities").glob("account*.py"), ROOT / "activities" / "stored_value.py"]
    paths += [path for path in (ROOT / "capabilities" / "account").glob("*.py") if path.name != "postings.py"]
    named = {code for path in paths for code in CODE.findall(path.read_text(encoding="utf-8"))} - EVENTS
    composed = {
        code for code in POSTINGS if code.split(".")[0] in {"due", "statement", "courier", "chargeback", "reserve"}
    }
    composed |= {code for code in POSTINGS if code.endswith("_value")}
    assert named <= POSTINGS.keys()
    assert POSTINGS.keys() - named <= composed


def test_every_kind_and_every_reason_has_words_in_both_languages():
    assert LABELS.keys() == set(AccountKind)
    texts = [
        *LABELS.values(),
        *((one.en, one.zh) for one in POSTINGS.values()),
        *RESOLVED.values(),
        *PLAIN.values(),
    ]
    for english, chinese in texts:
        assert not CHINESE.search(english)
        assert CHINESE.search(chinese)
        assert re.findall(r"\{\w+\}", english) == re.findall(r"\{\w+\}", chinese)


@pytest.mark.parametrize(
    ("said", "english", "chinese"),
    [
        (reason("sale.seller", party="s_one"), "seller Tea House's share of the sale", "商家 Tea House 的销售份额"),
        (reason("posted", of="sale.reserved"), "posted: sale reserved", "入账：预记销售"),
        (
            reason("voided", of=reason("payout.sent", party="s_one")),
            "voided: payout to seller Tea House",
            "撤销：向商家 Tea House 打款",
        ),
        (
            reason("corrected", of="", because="typed twice & more"),
            "taken back:  (typed twice & more)",
            "冲销： (typed twice & more)",
        ),
        (reason("due.provider", due="2"), "part 2 collected", "第 2 期已收"),
        ("sale posted", "sale posted", "销售入账"),
        ("because I say so", "because I say so", "because I say so"),
    ],
)
def test_a_reason_is_told_in_words(said, english, chinese):
    names = {"s_one": "Tea House"}
    assert (told(said, "en", names), told(said, "zh", names)) == (english, chinese)


def test_a_reason_is_read_back_whatever_its_parameters_hold():
    made = reason("refund.paid", refund="r&1=2?", payment="支付")
    assert (read_reason(made).code, dict(read_reason(made).parameters)) == (
        "refund.paid",
        {"refund": "r&1=2?", "payment": "支付"},
    )


def test_a_negative_share_moves_the_other_way_between_the_same_accounts():
    cause = Cause("retail", "CNY", "order", ("refund",))
    (plus,) = cause.other_way("refund.seller", "sale.seller", 5, debit="s_one", part="x")
    (minus,) = cause.other_way("refund.seller", "sale.seller", -5, debit="s_one", part="x")
    assert (plus.debit, plus.credit) == (minus.credit, minus.debit)
    assert (minus.amount_minor, cause.other_way("refund.seller", "sale.seller", 0)) == (5, [])
