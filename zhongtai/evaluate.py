"""`python -m zhongtai evaluate FILE_OR_FOLDER`: run pricing cases without any server and tell every difference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from activities.pricing import price_cart
from capabilities.kernel.errors import PlatformError
from rules.check import check
from rules.problem import Severity
from rules.queries import LiveRelease
from zhongtai.cases.case import Case, read_cases
from zhongtai.cases.expecting import Compared, compare
from zhongtai.cases.figures import FigureCase
from zhongtai.cases.returns import refunds_of
from zhongtai.cases.spot import CaseError

SUFFIXES = (".yaml", ".yml")


def evaluate(path: Path, console: Console | None = None) -> int:
    """Run every case of a file, or of all files below a folder. Returns 0 where all agree, else 1.

    The rules go through the document, its compiled form and the engine, as a live release does.
    """
    out = console or Console()
    files = case_files(path)
    if not files:
        out.print(f"[red]There is no case file at {escape(str(path))}.[/] Name a .yaml file, or a folder with some.")
        return 1
    agreed = differ = 0
    malformed = False
    for file in files:
        out.print(f"[bold]{escape(str(file))}[/]")
        try:
            cases = read_cases(file)
        except CaseError as error:
            out.print(f"  [red]✗ {escape(error.message)}[/]\n    {escape(error.mend or '')}", soft_wrap=True)
            malformed = True
            continue
        for case in cases:
            if _tell(case, out):
                agreed += 1
            else:
                differ += 1
    style = "red" if differ or malformed else "green"
    unread = " Some files could not be read." if malformed else ""
    out.print(f"[{style}]{agreed + differ} cases: {agreed} agree, {differ} differ.{unread}[/]")
    return 1 if differ or malformed else 0


def case_files(path: Path) -> list[Path]:
    """The case files at a path, in the order of their names."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    return [path] if path.is_file() else []


def run_case(case: Case | FigureCase) -> list[Compared]:
    """Price the case's cart by its rules, give back what it returns; every expectation beside what was found."""
    if isinstance(case, FigureCase):
        return list(case.compared)
    quote = price_cart(case.cart, [LiveRelease.of(case.document)], case.coupons)
    return compare(case.expectations, quote, refunds_of(case.cart, case.document, quote, case.returns))


def _tell(case: Case | FigureCase, out: Console) -> bool:
    problems = check(case.document) if isinstance(case, Case) else []
    blocking = [problem for problem in problems if problem.severity is Severity.BLOCK]
    if blocking:
        out.print(f"  [red]✗ {escape(case.name)}[/] (line {case.line}): these rules could not be published")
        for problem in blocking:
            out.print(f"    {escape(problem.en)} {escape(problem.mend_en)}", soft_wrap=True)
        return False
    try:
        compared = run_case(case)
    except PlatformError as error:
        out.print(
            f"  [red]✗ {escape(case.name)}[/] (line {case.line}): {escape(error.message)} {escape(error.mend or '')}"
        )
        return False
    differences = [one for one in compared if not one.is_equal]
    if not differences:
        out.print(f"  [green]✓[/] {escape(case.name)}")
        return True
    out.print(f"  [red]✗ {escape(case.name)}[/] (line {case.line})")
    out.print(_table(compared))
    return False


def _table(compared: Sequence[Compared]) -> Table:
    table = Table("", "expected", "got", "line", box=None, padding=(0, 2), pad_edge=True)
    for one in compared:
        style = "" if one.is_equal else "red"
        table.add_row(escape(one.label), one.wanted, f"[{style}]{one.found}[/]" if style else one.found, str(one.line))
    return table
