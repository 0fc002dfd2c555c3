"""What becomes due when: a month as a table, a day by seller, and what keeps money back: holds and disputes."""

from __future__ import annotations

from calendar import Calendar
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from babel.dates import format_date, get_day_names
from fastapi import APIRouter, Depends
from fastapi.responses import Response

from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError
from capabilities.settlement.calendar import is_business_day
from capabilities.settlement.contract import Dispute, DueDay, Hold, SellerDue
from capabilities.settlement.queries_payout import (
    closed_days,
    disputes_of,
    due_calendar,
    due_of_sellers,
    holds_of,
)
from web.access.permissions import Action
from web.access.queries import names_of
from web.console.edge import ConsoleRoute
from web.console.money_frame import Frame, Refused, frame_of, read_day, run
from web.console.pages import page
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

MOST_DAYS_AWAY = 3_650


@dataclass(frozen=True, slots=True)
class Day:
    """A cell of the month."""

    day: date
    is_of_month: bool
    is_today: bool
    is_business_day: bool
    due: tuple[DueDay, ...]


@dataclass(frozen=True)
class CalendarPage:
    """`rows` are those of the chosen day, else of the whole month; `timeless` waits for what starts its time."""

    frame: Frame
    title: str
    month: str
    weekdays: tuple[str, ...]
    weeks: tuple[tuple[Day, ...], ...]
    earlier: tuple[DueDay, ...]
    timeless: tuple[DueDay, ...]
    before: str
    after: str
    day: date | None
    rows: tuple[SellerDue, ...]
    holds: tuple[tuple[Hold, str], ...]
    disputes: tuple[Dispute, ...]
    may_hold: bool
    who_hold: tuple[str, ...]
    may_set: bool


@router.get("/console/{business}/money/calendar", name="settlement_calendar")
def calendar(visit: Annotated[Visit, Depends(Needs(Action.SEE_MONEY))]) -> Response:
    return show_calendar(visit)


def show_calendar(visit: Visit, refused: Refused | None = None) -> Response:
    today = now().astimezone(visit.business.zone).date()
    day = _day(visit.request.query_params.get("day", ""), today)
    month = (day or _day(visit.request.query_params.get("month", "") + "-01", today) or today).replace(day=1)
    grid = Calendar().monthdatescalendar(month.year, month.month)
    first, last = grid[0][0], grid[-1][-1]
    here, language = visit.business.business, visit.operator.language.value
    end = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    with transaction() as session:
        due = due_calendar(session, here, first=first, last=last)
        closed = closed_days(session, here)
        held = holds_of(session, here)
        names = names_of(session, {hold.placed_by for hold in held})
        may_hold = visit.may(Action.HOLD_MONEY.value)
        context = CalendarPage(
            frame=frame_of(session, visit, "calendar", refused),
            title=format_date(month, "y年M月" if language == "zh" else "LLLL y", locale=language),
            month=f"{month:%Y-%m}",
            weekdays=tuple(get_day_names("abbreviated", locale=language)[index] for index in range(7)),
            weeks=tuple(
                tuple(
                    Day(
                        one,
                        one.month == month.month,
                        one == today,
                        is_business_day(one, visit.business.country, closed),
                        tuple(found for found in due if found.day == one),
                    )
                    for one in week
                )
                for week in grid
            ),
            earlier=tuple(found for found in due if found.day is not None and found.day < first),
            timeless=tuple(found for found in due if found.day is None),
            before=f"{month - timedelta(days=1):%Y-%m}",
            after=f"{end + timedelta(days=1):%Y-%m}",
            day=day,
            rows=due_of_sellers(session, here, first=day or month, last=day or end),
            holds=tuple((hold, names.get(hold.placed_by, hold.placed_by)) for hold in held),
            disputes=disputes_of(session, here, status="open"),
            may_hold=may_hold,
            who_hold=() if may_hold else visit.who_may(Action.HOLD_MONEY.value),
            may_set=visit.may(Action.SET_SETTLEMENT.value),
        )
    return page(visit, "money/calendar.html", context, status=refused.status if refused else 200)


def _day(text: str, today: date) -> date | None:
    """A day of an address; None for what is none, or is decades away."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if abs((found - today).days) <= MOST_DAYS_AWAY else None


@router.post("/console/{business}/money/holds", name="place_hold")
async def place_hold(visit: Annotated[Visit, Depends(Needs(Action.HOLD_MONEY))]) -> Response:
    """Keep back what a seller, or one order, has coming; payouts of it that were not sent are withdrawn."""

    def read() -> dict[str, Any]:
        seller, order, reason = visit.posted("seller"), visit.posted("order")[:64], visit.posted("reason")[:500]
        if not seller and not order:
            raise InvalidError("console.input_wrong", N_("Choose a seller, or write the id of an order."))
        if not reason:
            raise InvalidError("console.input_wrong", N_("Say why the money is kept back."), field="reason")
        return {"seller_id": seller or None, "order_id": order or None, "reason": reason}

    back = visit.posted("back")
    to = f"{visit.path}/money/sellers/{back}" if back else f"{visit.path}/money/calendar"
    return await run(
        visit,
        "place_hold",
        read,
        to=to,
        show=lambda refused: show_calendar(visit, refused),
        subject=visit.posted("seller") or visit.posted("order") or "-",
    )


@router.post("/console/{business}/money/holds/{hold_id}/lift", name="lift_hold")
async def lift_hold(visit: Annotated[Visit, Depends(Needs(Action.HOLD_MONEY))], hold_id: str) -> Response:
    """Let the money go again."""

    def read() -> dict[str, Any]:
        with transaction() as session:
            if hold_id not in {hold.id for hold in holds_of(session, visit.business.business)}:
                raise InvalidError("settlement.hold_unknown", N_("This hold was lifted already, or never was."))
        return {"hold_id": hold_id, "reason": visit.posted("reason")[:500]}

    return await run(
        visit,
        "lift_hold",
        read,
        to=f"{visit.path}/money/calendar",
        show=lambda refused: show_calendar(visit, refused),
        subject=hold_id,
    )


@router.post("/console/{business}/money/closed-days", name="close_day")
async def close_day(visit: Annotated[Visit, Depends(Needs(Action.SET_SETTLEMENT))]) -> Response:
    """Nothing falls due on that day; times that were set before stay."""

    def read() -> dict[str, Any]:
        name = visit.posted("name")[:100]
        if not name:
            raise InvalidError("console.input_wrong", N_("Say what the day is."), field="name")
        return {"day": read_day(visit.posted("day"), "day"), "name": name}

    return await run(
        visit,
        "close_day",
        read,
        to=f"{visit.path}/money/calendar",
        show=lambda refused: show_calendar(visit, refused),
        subject=visit.posted("day") or "-",
    )
