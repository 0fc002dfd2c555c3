"""Today: what is wrong now, what waits for me, what moved. Every number leads to the list it counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import structlog
from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from activities.journal.approvals import count_open
from activities.journal.models import RunStatus
from activities.journal.queries import RunFilters, count_runs, runs_page
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.identity import PLATFORM
from capabilities.payment.schedule import DueFilters
from capabilities.payment.schedule_queries import count_dues
from capabilities.transaction.contract import OrderFilters, OrderStatus
from capabilities.transaction.queries import count_orders, order_totals, orders_page
from capabilities.transaction.story_queries import waiting_orders
from rules.queries import history_of, rule_sets, submissions
from web.access.contract import Role
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.edge import ConsoleRoute
from web.console.lists import link
from web.console.pages import page
from web.console.today_marketing import marketing_matters
from web.console.today_matters import Matter
from web.console.today_money import money_matters
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)
log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moved:
    """One figure of today against the same weekday of last week."""

    kind: str
    now: int
    before: int
    is_money: bool
    href: str


@dataclass(frozen=True, slots=True)
class LiveChange:
    name: str
    number: int
    kind: str
    actor: str
    at: datetime
    href: str


@dataclass(frozen=True)
class TodayPage:
    """Each band by itself: one that cannot be read says so, the others stay."""

    wrong: tuple[Matter, ...] | None
    waits: tuple[Matter, ...] | None
    moved: tuple[Moved, ...] | None
    releases: tuple[LiveChange, ...] | None
    orders: tuple[object, ...] | None
    checked_at: datetime


@router.get("/console/{business}/today", name="today")
def today(visit: Annotated[Visit, Depends(Needs(Action.SEE_TODAY))]) -> Response:
    context = TodayPage(
        wrong=_band(visit, _wrong),
        waits=_band(visit, _waits),
        moved=_band(visit, _moved),
        releases=_band(visit, _releases),
        orders=_band(visit, _latest),
        checked_at=now(),
    )
    return page(visit, "today.html", context)


def _band(visit: Visit, read: Callable[[Session, Visit], T]) -> T | None:
    """Each band in a transaction of its own: one that fails does not blank the page."""
    try:
        with transaction() as session:
            return read(session, visit)
    except SQLAlchemyError:
        log.exception("today_band_failed", band=read.__name__)
        return None


def _wrong(session: Session, visit: Visit) -> tuple[Matter, ...]:
    here, found = visit.business.business, []
    stuck = runs_page(session, RunFilters(business=here, status=RunStatus.STUCK), limit=200).runs
    causes: dict[tuple[str, str, str], list[datetime]] = {}
    for run in stuck:
        cause = (run.process, run.step or "", str((run.error or {}).get("message", "")))
        causes.setdefault(cause, []).append(run.updated_at)
    for (process, step, message), times in causes.items():
        href = link(f"{visit.path}/processes", {"status": "stuck", "process": process, "step": step})
        kind = "stuck_refund" if process == "refund" else "stuck"
        found.append(Matter("bad", kind, len(times), step, message, min(times), href))
    overdue = count_dues(session, DueFilters(business=here, overdue_at=now()))
    if overdue:
        found.append(Matter("warn", "overdue", overdue, "", "", None, f"{visit.path}/dues?overdue=yes"))
    slow = RunFilters(business=here, status=RunStatus.STARTING, older_than=now() - timedelta(seconds=30))
    late = sum(count_runs(session, slow).values())
    if late:
        found.append(Matter("warn", "late", late, "", "", None, f"{visit.path}/processes?status=starting"))
    found += money_matters(session, visit)
    found += marketing_matters(session, visit)
    return tuple(found)


def _waits(session: Session, visit: Visit) -> tuple[Matter, ...]:
    here, me, found = visit.business.business, visit.operator.id, []
    if visit.may(Action.APPROVE_RULES.value):
        open_ones = [s for s in submissions(session, here) if me not in s.authors and me != s.submitted_by]
        if open_ones:
            since = min(s.submitted_at for s in open_ones)
            found.append(Matter("wait", "approvals", len(open_ones), "", "", since, f"{visit.path}/approvals"))
    if visit.may(Action.REVIEW_ORDERS.value):
        held = OrderFilters(business=here, statuses=(OrderStatus.ON_HOLD,))
        count = count_orders(session, held)
        if count:
            since = orders_page(session, held, limit=200).orders[-1].placed_at
            found.append(Matter("wait", "orders", count, "", "", since, f"{visit.path}/orders?status=on_hold"))
    if visit.may(Action.DECIDE_APPROVALS.value):
        roles = visit.operator.roles_in(here)
        asked = {role.value for role in (Role if Role.ADMIN in roles else roles)}
        questions = count_open(session, here, roles=asked, not_asked_by=me)
        if questions:
            found.append(Matter("wait", "questions", questions, "", "", None, f"{visit.path}/approvals"))
    if visit.may(Action.CHANGE_ORDERS.value):
        found += _after_sale(session, visit)
    if visit.may(Action.EDIT_RULES.value):
        drafts = [
            one
            for one in rule_sets(session, here)
            if one.draft_updated_by == me and one.waiting_submission_id is None and (one.draft_revision or 0) > 1
        ]
        found += [
            Matter("run", "draft", 1, one.name_zh if visit.operator.language == "zh" else one.name_en, "",
                   one.draft_updated_at, f"{visit.path}/rules/{one.id}/review")
            for one in drafts
        ]  # fmt: skip
    return tuple(found)


def _after_sale(session: Session, visit: Visit) -> list[Matter]:
    """What of sold orders waits for somebody's hand."""
    waiting = waiting_orders(session, visit.business.business)
    refunds, returns = f"{visit.path}/refunds?status=", f"{visit.path}/returns?status="
    kinds = (
        ("wait", "refunds_asked", waiting.refunds_to_decide, f"{refunds}requested"),
        ("run", "refunds_moving", waiting.refunds_under_way, f"{refunds}under_way"),
        ("wait", "to_receive", waiting.returns_to_receive, f"{returns}requested"),
        ("wait", "to_close", waiting.returns_to_close, f"{returns}received"),
    )
    return [Matter(look, kind, count, "", "", None, href) for look, kind, count, href in kinds if count]


def _moved(session: Session, visit: Visit) -> tuple[Moved, ...]:
    """Today until now against the same stretch a week ago."""
    at = now()
    start = at.astimezone(visit.business.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    week = timedelta(days=7)
    here = visit.business.business
    today_, before = order_totals(session, here, start, at), order_totals(session, here, start - week, at - week)
    day = start.date().isoformat()
    base = f"{visit.path}/orders?from={day}"
    return (
        Moved("orders", today_.orders, before.orders, is_money=False, href=f"{base}&status=confirmed"),
        Moved("sold", today_.total_minor, before.total_minor, is_money=True, href=f"{base}&status=confirmed"),
        Moved(
            "discounts", today_.discount_minor, before.discount_minor, is_money=True, href=f"{base}&status=confirmed"
        ),
    )


def _releases(session: Session, visit: Visit) -> tuple[LiveChange, ...]:
    found = []
    for one in (*rule_sets(session, visit.business.business), *rule_sets(session, PLATFORM)):
        name = one.name_zh if visit.operator.language == "zh" else one.name_en
        href = f"{visit.path}/rules/{one.id}/releases"
        found += [LiveChange(name, p.number, p.kind, p.actor, p.at, href) for p in history_of(session, one.id, limit=3)]
    newest = sorted(found, key=lambda change: change.at, reverse=True)[:5]
    names = names_of(session, {change.actor for change in newest})
    return tuple(LiveChange(c.name, c.number, c.kind, names.get(c.actor, c.actor), c.at, c.href) for c in newest)


def _latest(session: Session, visit: Visit) -> tuple[object, ...]:
    return tuple(orders_page(session, OrderFilters(business=visit.business.business), limit=6).orders)
