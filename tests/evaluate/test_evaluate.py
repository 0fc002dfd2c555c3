"""`python -m zhongtai evaluate`: what it says of cases that agree, differ, or cannot be read."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from zhongtai.cases.case import read_cases
from zhongtai.cases.spot import CaseError
from zhongtai.evaluate import evaluate

GOOD = """\
cases:
  - name: tenth off
    cart: {lines: [{sku: mug, price: 20.00}]}
    rules:
      - {name: tenth, then: {percent_off: 10 %}}
    expect: {total: 18.00, discounts: [2.00]}
"""


def told(path: Path) -> tuple[int, str]:
    out = io.StringIO()
    code = evaluate(path, Console(file=out, width=200, color_system=None))
    return code, out.getvalue()


def written(folder: Path, text: str, name: str = "case.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_case_that_agrees_ends_with_zero(tmp_path: Path) -> None:
    code, text = told(written(tmp_path, GOOD))

    assert code == 0
    assert "✓ tenth off" in text
    assert "1 cases: 1 agree, 0 differ." in text


def test_a_difference_shows_expected_and_got_and_ends_with_one(tmp_path: Path) -> None:
    code, text = told(written(tmp_path, GOOD.replace("total: 18.00", "total: 17.00")))

    assert code == 1
    assert "✗ tenth off (line 2)" in text
    row = next(line.split() for line in text.splitlines() if line.split()[:1] == ["total"])
    assert row == ["total", "17.00", "18.00", "6"]


def test_a_folder_is_read_whole_and_one_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    written(tmp_path, GOOD, "b.yaml")
    written(tmp_path, "cases: [", "a.yml")

    code, text = told(tmp_path)

    assert code == 1
    assert "a.yml, line 1" in text
    assert "1 cases: 1 agree, 0 differ. Some files could not be read." in text


def test_a_folder_without_cases_is_not_a_success(tmp_path: Path) -> None:
    code, text = told(tmp_path)

    assert code == 1
    assert "There is no case file" in text


@pytest.mark.parametrize(
    ("before", "after", "line", "field", "mend"),
    [
        ("percent_off", "percent_of", 5, "cases[1].rules[1].then", "Write one of percent_off, amount_off"),
        ("10 %", "ten", 5, "cases[1].rules[1].then.percent_off", "Write a number such as 10 % or 10.5 %."),
        ("20.00", "20.001", 3, "cases[1].cart.lines[1].price", "Write an amount such as 12.50."),
        ("price: 20.00", "price: 20.00, quantity: 0", 3, "cases[1].cart.lines[1].quantity", "Correct this value."),
        ("price: 20", "prise: 20", 3, "cases[1].cart.lines[1].prise", "Did you mean price?"),
        ("expect:", "expected:", 6, "cases[1].expected", "Did you mean expect?"),
        ("[2.00]", "[2.00, 3.00]", 6, "cases[1].expect.discounts", "Expect one for each line, in the same order."),
        ("name: tenth,", "when: order.subtotl >= 1,", 5, "cases[1].rules[1].when", "Did you mean order.subtotal?"),
        ("name: tenth,", "when: line.sku = mug,", 5, "cases[1].rules[1].when", "Give the rule `on: lines`."),
        ("name: tenth,", "stage: itmes,", 5, "cases[1].rules[1].stage", "Did you mean items?"),
    ],
)
def test_a_malformed_file_names_the_place_and_the_mend(
    tmp_path: Path, before: str, after: str, line: int, field: str, mend: str
) -> None:
    assert before in GOOD
    file = written(tmp_path, GOOD.replace(before, after, 1))

    with pytest.raises(CaseError) as caught:
        read_cases(file)

    assert caught.value.details == {"file": str(file), "line": line, "field": field}
    assert f"{file}, line {line}, {field}" in caught.value.message
    assert mend in (caught.value.mend or "")


def test_a_key_written_twice_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD.replace("total: 18.00,", "total: 18.00, total: 19.00,"))

    with pytest.raises(CaseError, match="total stands here twice"):
        read_cases(file)


def test_a_row_of_a_table_with_a_cell_too_many_names_its_own_line(tmp_path: Path) -> None:
    text = "cases:\n  - name: a\n    cart:\n      lines: |\n        | sku | price |\n        | mug | 1.00 | 2 |\n    expect: {total: 1}\n"

    with pytest.raises(CaseError) as caught:
        read_cases(written(tmp_path, text))

    assert caught.value.details["line"] == 6


def test_amounts_are_read_exactly_as_written(tmp_path: Path) -> None:
    [case] = read_cases(written(tmp_path, GOOD.replace("price: 20.00", "price: 0.29, quantity: 3")))

    assert [line.unit_price_minor for line in case.cart.lines] == [29]
