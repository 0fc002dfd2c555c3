"""Reconciliation: files of the provider and the bank, where their rows stand, and the work list of mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, MissingError
from capabilities.settlement.contract import (
    Mistake,
    ReconCounts,
    ReconFile,
    ReconFilters,
    Side,
    Standing,
    StandingRow,
)
from capabilities.settlement.queries_reconciliation import file_of, files_page, recon_counts, rows_page
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.edge import ConsoleRoute
from web.console.money_frame import Frame, Narrowed, Refused, chosen, frame_of, narrowed, run
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


KINDS = ("provider", "bank")
PROVIDER = "simulator"
STANDINGS = {standing.value: standing for standing in Standing}
MISTAKES = {mistake.value: mistake for mistake in Mistake}
SIDES = {side.value: side for side in Side}
FILTERS = {
    "standing": N_("standing"),
    "mistake": N_("mistake"),
    "side": N_("side"),
    "open": N_("open"),
    "taken": N_("taken by"),
    "file": N_("file"),
    "provider": N_("provider"),
}


@dataclass(frozen=True)
class ReconciliationPage:
    frame: Frame
    counts: ReconCounts
    list: Narrowed
    files: tuple[ReconFile, ...]
    names: dict[str, str]
    cursor: str | None
    may_work: bool
    who_work: tuple[str, ...]

    @property
    def all_rows(self) -> int:
        """Everything that is compared: matched, parked and mistakes are its parts."""
        return self.counts.matched + self.counts.parked + sum(self.counts.mistakes.values())


@dataclass(frozen=True)
class FilePage:
    """A file as a partition: matched + parked + mistakes of each kind = its rows."""

    frame: Frame
    file: ReconFile
    counts: ReconCounts
    imported_by: str


@dataclass(frozen=True)
class RowsPage:
    frame: Frame
    list: Narrowed
    rows: tuple[StandingRow, ...]
    names: dict[str, str]
    cursor: str | None
    standings: tuple[str, ...]
    mistakes: tuple[str, ...]
    sides: tuple[str, ...]


@router.get("/console/{business}/money/reconciliation", name="reconciliation")
def reconciliation(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    return show_reconciliation(visit)


def show_reconciliation(visit: Visit, refused: Refused | None = None) -> Response:
    here = visit.business.business
    found = narrowed(visit, f"{visit.path}/money/reconciliation", {"kind": N_("kind")}, {"kind": "statement_kind"})
    kind = found.get("kind")
    with transaction() as session:
        listed = files_page(
            session, here, kind=kind if kind in KINDS else None, after=found.get("cursor") or None, limit=20
        )
        may_work = visit.may(Action.RECONCILE.value)
        context = ReconciliationPage(
            frame=frame_of(session, visit, "reconciliation", refused),
            counts=recon_counts(session, here),
            list=found,
            files=listed.files,
            names=names_of(session, {file.imported_by for file in listed.files}),
            cursor=listed.next_cursor,
            may_work=may_work,
            who_work=() if may_work else visit.who_may(Action.RECONCILE.value),
        )
    return page(visit, "money/reconciliation.html", context, status=refused.status if refused else 200)


@router.post("/console/{business}/money/reconciliation", name="import_statement")
async def import_statement(visit: Annotated[Visit, Depends(Needs(Action.RECONCILE))]) -> Response:
    """Take in a statement, then compare; the same content a second time changes nothing."""
    content, name = await _content(visit)

    def read() -> dict[str, Any]:
        kind = visit.posted("kind")
        if kind not in KINDS:
            raise InvalidError("console.input_wrong", N_("Say whose statement it is."), field="kind")
        if content is None:
            raise InvalidError("console.input_wrong", N_("The file is not text in UTF-8."), field="file")
        if not content.strip():
            raise InvalidError("console.input_wrong", N_("Choose a file, or paste its lines."), field="file")
        provider = visit.posted("provider")[:40] or PROVIDER
        return {"kind": kind, "provider": provider, "name": name, "content": content}

    return await run(
        visit,
        "import_statement",
        read,
        to=f"{visit.path}/money/reconciliation",
        show=lambda refused: show_reconciliation(visit, refused),
        subject=name,
    )


async def _content(visit: Visit) -> tuple[str | None, str]:
    """The text of the file, or what was pasted; None where it is no text."""
    sent = visit.form.get("file")
    if isinstance(sent, UploadFile) and sent.filename:
        raw = await sent.read()
        try:
            return raw.decode("utf-8-sig"), sent.filename[:200]
        except UnicodeDecodeError:
            return None, sent.filename[:200]
    return visit.posted("content"), "pasted.csv"


@router.post("/console/{business}/money/reconciliation/compare", name="reconcile")
async def compare(visit: Annotated[Visit, Depends(Needs(Action.RECONCILE))]) -> Response:
    """Compare everything that is not at rest once more."""
    return await run(
        visit,
        "reconcile",
        lambda: {"provider": visit.posted("provider")[:40] or PROVIDER},
        to=f"{visit.path}/money/reconciliation",
        show=lambda refused: show_reconciliation(visit, refused),
        subject=visit.posted("provider") or PROVIDER,
    )


@router.get("/console/{business}/money/reconciliation/files/{file_id}", name="reconciliation_file")
def file_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], file_id: str) -> Response:
    here = visit.business.business
    with transaction() as session:
        file = file_of(session, file_id)
        if file.business != here:
            raise MissingError("settlement.file_unknown", f"There is no file {file_id!r}.")
        names = names_of(session, {file.imported_by})
        context = FilePage(
            frame_of(session, visit, "reconciliation"),
            file,
            recon_counts(session, here, file_id=file_id),
            names.get(file.imported_by, file.imported_by),
        )
    return page(visit, "money/file.html", context)


@router.get("/console/{business}/money/reconciliation/rows", name="reconciliation_rows")
def rows(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    """Rows of all sides; with `open=1` the work list: mistakes nobody has resolved, the oldest first."""
    found = narrowed(
        visit,
        f"{visit.path}/money/reconciliation/rows",
        FILTERS,
        {"standing": "standing", "mistake": "mistake", "side": "side", "open": "only", "taken": "taken"},
    )
    taken = {"me": visit.operator.id}.get(found.get("taken"), found.get("taken") or None)
    filters = ReconFilters(
        business=visit.business.business,
        provider=found.get("provider") or None,
        file_id=found.get("file") or None,
        sides=chosen(SIDES, found.get("side")),
        standings=chosen(STANDINGS, found.get("standing")),
        mistakes=chosen(MISTAKES, found.get("mistake")),
        is_open=True if found.get("open") else None,
        taken_by=taken,
    )
    with transaction() as session:
        listed = rows_page(session, filters, after=found.get("cursor") or None)
        context = RowsPage(
            frame_of(session, visit, "reconciliation"),
            found,
            listed.rows,
            names_of(session, {row.taken_by or "" for row in listed.rows}),
            listed.next_cursor,
            tuple(STANDINGS),
            tuple(MISTAKES),
            tuple(SIDES),
        )
    return page(visit, "money/rows.html", context, block="rows")
