"""The ledger: accounts with balances, the statement of one, the trial balance of any day, a transfer and what it was for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.orm import Session

from activities.journal.approvals import ApprovalSeen, approvals_page
from capabilities.account.contract import AccountKind, Phase
from capabilities.account.queries import trial_balance
from capabilities.account.queries_reports import (
    account_of,
    accounts_page,
    out_of_balance,
    statement_csv,
    statement_page,
    transfer_of,
)
from capabilities.account.reports import AccountSeen, OutOfBalance, StatementPage, TransferSeen
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.approvals import may_decide
from web.console.edge import ConsoleRoute
from web.console.lists import stretch
from web.console.money_frame import (
    Frame,
    Narrowed,
    Refused,
    approvers,
    chosen,
    frame_of,
    narrowed,
    read_day,
    run,
)
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

RUN = "run_"


@dataclass(frozen=True)
class LedgerPage:
    frame: Frame
    list: Narrowed
    accounts: tuple[AccountSeen, ...]
    cursor: str | None
    kinds: tuple[AccountKind, ...]


@dataclass(frozen=True, slots=True)
class KindSum:
    """All accounts of a kind together."""

    kind: AccountKind
    accounts: int
    debits_minor: int
    credits_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One currency: the two columns are equal, or something is broken."""

    currency: str
    kinds: tuple[KindSum, ...]
    debits_minor: int
    credits_minor: int


@dataclass(frozen=True)
class TrialPage:
    """`broken` None: stored balances were not compared with their entries this time."""

    frame: Frame
    day: str
    trials: tuple[Trial, ...]
    broken: tuple[OutOfBalance, ...] | None
    error: str | None


@dataclass(frozen=True)
class AccountStatementPage:
    frame: Frame
    list: Narrowed
    seen: AccountSeen
    statement: StatementPage
    csv_href: str
    error: str | None


@dataclass(frozen=True)
class TransferPage:
    """`asked`: a correction of it that waits for a second person."""

    frame: Frame
    seen: TransferSeen
    actor: str
    run_id: str | None
    takes_back: tuple[TransferSeen, ...]
    asked: ApprovalSeen | None
    asked_by: str
    may_correct: bool
    who_correct: tuple[str, ...]
    may_decide: bool
    who_decide: tuple[str, ...]

    @property
    def can_be_corrected(self) -> bool:
        return self.seen.transfer.phase in (Phase.SINGLE, Phase.POST) and self.seen.corrected_by is None


FILTERS = {"kind": N_("account"), "currency": N_("currency"), "q": N_("text")}


@router.get("/console/{business}/money", name="money")
def ledger_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    found = narrowed(visit, f"{visit.path}/money", FILTERS, {"kind": "account"})
    kinds = {kind.value: kind for kind in AccountKind}
    with transaction() as session:
        kind = (*chosen(kinds, found.get("kind")), None)[0]
        accounts = accounts_page(
            session,
            visit.business.business,
            found.get("cursor") or None,
            kind=kind,
            currency=found.get("currency").upper() or None,
            search=found.get("q"),
        )
        context = LedgerPage(
            frame_of(session, visit, "ledger"), found, accounts.accounts, accounts.next_cursor, tuple(AccountKind)
        )
    return page(visit, "money/ledger.html", context, block="accounts")


@router.get("/console/{business}/money/trial", name="money_trial")
def trial_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], at: str = "", check: str = "") -> Response:
    """The trial balance at the end of a day, by kind of account; `check` compares every stored balance with its entries."""
    error, moment = None, None
    try:
        if at:
            after = datetime.combine(read_day(at, "at"), time(), visit.business.zone) + timedelta(days=1)
            moment = after - timedelta(microseconds=1)
    except InvalidError as refusal:
        error = refusal.message
    with transaction() as session:
        trials = _trials(session, visit.business.business, moment)
        broken = out_of_balance(session, visit.business.business) if check else None
        context = TrialPage(frame_of(session, visit, "ledger"), at, trials, broken, error)
    return page(visit, "money/trial.html", context, status=422 if error else 200)


def _trials(session: Session, business: str, at: datetime | None) -> tuple[Trial, ...]:
    found = []
    for one in trial_balance(session, business, at=at):
        sums: dict[AccountKind, list[int]] = {}
        for account, balance in one.balances:
            row = sums.setdefault(account.kind, [0, 0, 0, 0])
            parts = (1, balance.debits_posted_minor, balance.credits_posted_minor, balance.minor)
            sums[account.kind] = [old + new for old, new in zip(row, parts, strict=True)]
        kinds = tuple(KindSum(kind, *sums[kind]) for kind in AccountKind if kind in sums)
        found.append(Trial(one.currency, kinds, one.debits_minor, one.credits_minor))
    return tuple(found)


@router.get("/console/{business}/money/accounts/{account_id}", name="money_account")
def account_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], account_id: str) -> Response:
    """The statement of a period: what it opened with, every entry, what it closes with. By default the last 30 days."""
    found = narrowed(
        visit, f"{visit.path}/money/accounts/{account_id}", {"from": N_("from"), "until": N_("until"), "all": N_("all")}
    )
    error = None
    starts_at, ends_at = None, None
    try:
        starts_at, ends_at = _period(visit, found)
    except InvalidError as refusal:
        error = refusal.message
    with transaction() as session:
        seen = account_of(session, account_id, business=visit.business.business)
        statement = statement_page(
            session, account_id, found.get("cursor") or None, starts_at=starts_at, ends_at=ends_at
        )
        csv_href = found.link().replace(found.base, f"{found.base}/statement.csv", 1)
        frame = frame_of(session, visit, "ledger")
        context = AccountStatementPage(frame, found, seen, statement, csv_href, error)
    return page(visit, "money/account.html", context, block="statement", status=422 if error else 200)


def _period(visit: Visit, found: Narrowed) -> tuple[datetime | None, datetime | None]:
    if not found.get("from") and not found.get("until") and not found.get("all"):
        today = now().astimezone(visit.business.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=30), None
    return stretch(visit, found.query)


@router.get("/console/{business}/money/accounts/{account_id}/statement.csv", name="money_account_csv")
def account_csv(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], account_id: str) -> Response:
    """The same statement whole, as a file."""
    found = narrowed(visit, visit.path, {"from": "", "until": "", "all": ""})
    starts_at, ends_at = _period(visit, found)
    with transaction() as session:
        account_of(session, account_id, business=visit.business.business)

    def lines() -> Iterator[str]:
        with transaction() as session:
            yield from statement_csv(
                session, account_id, starts_at=starts_at, ends_at=ends_at, locale=visit.operator.language.value
            )

    named = {"content-disposition": f'attachment; filename="{account_id}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=named)


@router.get("/console/{business}/money/transfers/{transfer_id}", name="money_transfer")
def transfer_page(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))], transfer_id: str) -> Response:
    return show_transfer(visit, transfer_id)


def show_transfer(visit: Visit, transfer_id: str, refused: Refused | None = None) -> Response:
    here = visit.business.business
    with transaction() as session:
        seen = transfer_of(session, transfer_id, business=here)
        together = _together(seen)
        asked = next(
            (
                one
                for one in approvals_page(session, here, is_open=True, limit=200).approvals
                if one.process == "correct_transfers" and transfer_id in one.shows.get("transfer_ids", ())
            ),
            None,
        )
        names = names_of(session, {seen.transfer.actor, asked.asked_by if asked else ""})
        may_correct = visit.may(Action.CORRECT_LEDGER.value)
        context = TransferPage(
            frame=frame_of(session, visit, "ledger", refused),
            seen=seen,
            actor=names.get(seen.transfer.actor, seen.transfer.actor),
            run_id=seen.transfer.correlation_id if seen.transfer.correlation_id.startswith(RUN) else None,
            takes_back=tuple(transfer_of(session, id_, business=here) for id_ in together),
            asked=asked,
            asked_by=names.get(asked.asked_by, asked.asked_by) if asked else "",
            may_correct=may_correct,
            who_correct=() if may_correct else visit.who_may(Action.CORRECT_LEDGER.value),
            may_decide=asked is not None and may_decide(visit, asked) and asked.asked_by != visit.operator.id,
            who_decide=approvers(session, asked) if asked else (),
        )
    return page(visit, "money/transfer.html", context, status=refused.status if refused else 200)


def _together(seen: TransferSeen) -> tuple[str, ...]:
    """What a correction takes back: the transfer, and the other half of an exchange with it."""
    other = seen.transfer.exchange.other_id if seen.transfer.exchange else None
    return (seen.transfer.id, *((other,) if other else ()))


@router.post("/console/{business}/money/transfers/{transfer_id}/correct", name="correct_transfer")
async def correct_transfer(
    visit: Annotated[Visit, Depends(Needs(Action.CORRECT_LEDGER))], transfer_id: str
) -> Response:
    """Ask for a correction; it is posted when a second person has agreed."""

    def read() -> dict[str, Any]:
        reason = visit.posted("reason")[:190]
        if not reason:
            raise InvalidError("console.input_wrong", N_("Say why the transfer is wrong."), field="reason")
        with transaction() as session:
            seen = transfer_of(session, transfer_id, business=visit.business.business)
        return {"transfer_ids": _together(seen), "reason": reason}

    return await run(
        visit,
        "correct_transfers",
        read,
        to=f"{visit.path}/money/transfers/{transfer_id}",
        show=lambda refused: show_transfer(visit, transfer_id, refused),
        subject=transfer_id,
    )
