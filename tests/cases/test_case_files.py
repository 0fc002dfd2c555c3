"""Every case file under this folder holds, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from zhongtai.cases.case import Case, read_cases
from zhongtai.cases.figures import FigureCase
from zhongtai.evaluate import case_files, run_case

CASES = [case for file in case_files(Path(__file__).parent) for case in read_cases(file)]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.file.stem}: {case.name}" for case in CASES])
def test_what_is_found_is_what_the_case_expects(case: Case | FigureCase) -> None:
    compared = run_case(case)

    assert [(one.label, one.found) for one in compared] == [(one.label, one.wanted) for one in compared]


def test_there_are_more_than_a_hundred_cases() -> None:
    assert len(CASES) > 100
