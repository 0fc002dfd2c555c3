"""Lots of coupons: the list, a new one with what its pattern can make, one lot with its progress and its codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy.orm import Session

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, MissingError, PlatformError
from capabilities.kernel.ids import new_id
from capabilities.marketing.codes import GUESSES_BITS, bits_of, new_code, require_unguessable, space_of
from capabilities.marketing.coupons import (
    MAX_CODES,
    AfterRefund,
    CouponCondition,
    CouponLine,
    CouponLot,
)
from capabilities.marketing.pricing import normal_code
from capabilities.marketing.queries_coupons import coupons_page, lot_of, lots_page
from capabilities.user.queries import find_buyer
from web.access.permissions import Action
from web.console.acts import perform
from web.console.became import Became, became_of
from web.console.campaigns import link, who_may
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import go, page
from web.console.rule_links import RuleLink, rules_where
from web.console.texts import N_
from web.console.typed import Typed
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

FIELDS = (
    "lot_id",
    "opens",
    "pattern",
    "codes",
    "use_limit",
    "valid_from",
    "valid_until",
    "after_refund",
    "after_refund_days",
    "buyers",
)
AFTER_REFUND: tuple[str, ...] = get_args(AfterRefund)
CONDITIONS: tuple[CouponCondition, ...] = ("active", "used_up", "paused", "not_yet_valid", "expired", "void")
MOST_BUYERS = 5_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pattern can make, and whether so many codes of it could be guessed."""

    pattern: str
    codes: int
    space: int
    bits: float
    needed: float
    example: str
    every: int
    more_letters: int
    more_digits: int

    @property
    def is_enough(self) -> bool:
        return self.bits >= self.needed


@dataclass(frozen=True)
class LotsPage:
    lots: tuple[CouponLot, ...]
    find: str
    next_href: str | None
    first_href: str | None
    became: Became | None
    who_change: tuple[str, ...]


@dataclass(frozen=True)
class NewLotPage:
    typed: Typed
    key: str
    verdict: Verdict | None
    policies: tuple[str, ...] = AFTER_REFUND


@dataclass(frozen=True, slots=True)
class CodesList:
    """Codes with what narrows them; every filter stands in the address."""

    coupons: tuple[CouponLine, ...]
    base: str
    query: dict[str, str]
    next_href: str | None
    first_href: str | None
    conditions: tuple[str, ...] = CONDITIONS


@dataclass(frozen=True)
class LotPage:
    lot: CouponLot
    codes: CodesList
    rules: tuple[RuleLink, ...]
    typed: Typed
    key: str
    became: Became | None
    who_change: tuple[str, ...]

    @property
    def made_share(self) -> int:
        return 100 if not self.lot.wanted else self.lot.made * 100 // self.lot.wanted


@router.get("/console/{business}/marketing/coupons", name="coupon_lots")
def coupon_lots(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_COUPONS))],
    q: str = "",
    cursor: str | None = None,
    ran: str | None = None,
) -> Response:
    base, find = f"{visit.path}/marketing/coupons", q.strip()[:100]
    kept = {"q": find} if find else {}
    with transaction() as session:
        found = lots_page(session, visit.business.business, find=find, after=cursor or None)
        context = LotsPage(
            found.lots,
            find,
            link(base, kept | {"cursor": found.cursor}) if found.cursor else None,
            link(base, kept) if cursor else None,
            became_of(session, visit, ran),
            who_may(visit, Action.CHANGE_COUPONS),
        )
    return page(visit, "marketing/lots.html", context, block="lots")


@router.get("/console/{business}/marketing/new-lot", name="new_lot")
def new_lot(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))]) -> Response:
    return _form(visit, Typed(visit, FIELDS, pattern="####-????-####", codes="100", use_limit="1"))


@router.post("/console/{business}/marketing/new-lot", name="create_lot")
async def create_lot(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))]) -> Response:
    """Make it; or, asked with `look`, only say what the pattern can make."""
    typed = Typed(visit, FIELDS)
    if typed.get("look"):
        return await run_in_threadpool(_form, visit, typed, block="verdict" if visit.wants_fragment else "main")
    body = await run_in_threadpool(_read_lot, visit, typed)
    if typed.is_good:
        back = f"{visit.path}/marketing/coupons/lots/{body['lot_id']}"
        try:
            return await perform(visit, process="create_lot", body=body, subject=body["lot_id"], back=back)
        except PlatformError as error:
            typed.refused(error)
    return await run_in_threadpool(_form, visit, typed, status=422)


def _form(visit: Visit, typed: Typed, *, block: str = "main", status: int = 200) -> Response:
    context = NewLotPage(typed, new_id("act"), verdict_of(typed))
    return page(visit, "marketing/lot_new.html", context, block=block, status=status)


def verdict_of(typed: Typed) -> Verdict | None:
    """None while no pattern or no count is typed."""
    pattern = typed.get("pattern")[:64]
    count = typed.get("codes").replace(",", "")
    if not pattern or not count.isdecimal() or not 1 <= int(count) <= MAX_CODES:
        return None
    codes, bits, letters, digits = int(count), bits_of(pattern), 0, 0
    try:
        require_unguessable(pattern, codes)
    except InvalidError as error:
        letters, digits = error.details["more_letters"], error.details["more_digits"]
    space = space_of(pattern)
    needed = round(GUESSES_BITS + math.log2(codes), 1)
    every = max(1, space // codes)
    return Verdict(pattern, codes, space, round(bits, 1), needed, new_code(pattern), every, letters, digits)


def _read_lot(visit: Visit, typed: Typed) -> dict[str, Any]:
    lot_id = typed.text("lot_id", most=64, needed=True)
    if lot_id and not (lot_id.isascii() and lot_id[0].isalnum() and all(c.isalnum() or c in "_.-" for c in lot_id)):
        typed.wrong("lot_id", N_("Letters, digits, dots and dashes, such as spring-2027."))
    buyers = list(dict.fromkeys(typed.get("buyers").replace(",", " ").split()))
    codes = len(buyers) if buyers else typed.number("codes", least=1, most=MAX_CODES, needed=True)
    begins, ends = typed.moment("valid_from"), typed.moment("valid_until")
    if begins is not None and ends is not None and ends <= begins:
        typed.wrong("valid_until", N_("The end is not after the beginning."))
    policy = typed.choice("after_refund", AFTER_REFUND)
    days = typed.number("after_refund_days", least=1, most=3650, needed=policy == "restore_within")
    _require_buyers(visit, typed, buyers)
    pattern = typed.text("pattern", most=64, needed=True)
    if pattern and codes and "codes" not in typed.errors:
        try:
            require_unguessable(pattern, codes)
        except InvalidError:
            typed.wrong("pattern", N_("Codes of this pattern could be guessed; what helps stands beside it."))
    return {
        "business": visit.business.business,
        "lot_id": lot_id,
        "opens": typed.text("opens", most=64, needed=True),
        "pattern": pattern,
        "codes": codes or 1,
        "use_limit": typed.number("use_limit", least=1),
        "valid_from": begins and begins.isoformat(),
        "valid_until": ends and ends.isoformat(),
        "after_refund": policy,
        "after_refund_days": days if policy == "restore_within" else None,
        "buyer_ids": buyers,
    }


def _require_buyers(visit: Visit, typed: Typed, buyers: list[str]) -> None:
    if len(buyers) > MOST_BUYERS:
        typed.wrong("buyers", N_("At most 5,000 buyers at once; import a file for more."))
        return
    with transaction() as session:
        unknown = [one for one in buyers if find_buyer(session, visit.business.business, one) is None]
    if unknown:
        typed.wrong("buyers", N_("Nobody is known by some of these ids; see the list of customers."))
        typed.mend = ", ".join(unknown[:10])


@router.get("/console/{business}/marketing/coupons/lots/{lot_id}", name="coupon_lot")
def coupon_lot(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_COUPONS))], lot_id: str, ran: str | None = None
) -> Response:
    try:
        return show_lot(visit, lot_id, ran=ran)
    except MissingError:
        if ran is None:
            raise
        return go(visit, f"{visit.path}/marketing/coupons?ran={ran}")  # it is still being planned; the list says so


def show_lot(
    visit: Visit, lot_id: str, *, typed: Typed | None = None, ran: str | None = None, status: int = 200
) -> Response:
    """One lot; while it is being made the page asks again by itself."""
    with transaction() as session:
        lot = lot_of(session, visit.business.business, lot_id)
        context = LotPage(
            lot=lot,
            codes=codes_list(session, visit, f"{visit.path}/marketing/coupons/lots/{lot_id}", lot_id=lot_id),
            rules=rules_where(session, visit, lambda rule: normal_code(rule.coupon or "") == lot.opens),
            typed=typed or Typed(visit, ("reason",)),
            key=new_id("act"),
            became=became_of(session, visit, ran),
            who_change=who_may(visit, Action.CHANGE_COUPONS),
        )
    return page(visit, "marketing/lot.html", context, block="lot", status=status)


@router.post("/console/{business}/marketing/coupons/lots/{lot_id}/change", name="change_lot")
async def change_lot(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))], lot_id: str) -> Response:
    """Pause, resume or void every code of the lot."""
    typed = Typed(visit, ("act", "reason"))
    await run_in_threadpool(_require_lot, visit, lot_id)
    body = {"business": visit.business.business, "lot_id": lot_id, **read_change(typed)}
    status = 422
    if typed.is_good:
        back = f"{visit.path}/marketing/coupons/lots/{lot_id}"
        try:
            return await perform(
                visit,
                process="change_coupons",
                body=body,
                subject=lot_id,
                back=back,
                audited={"reason": body["reason"]},
            )
        except PlatformError as error:
            typed.refused(error)
            status = STATUS[error.kind]
    return await run_in_threadpool(show_lot, visit, lot_id, typed=typed, status=status)


def read_change(typed: Typed) -> dict[str, str]:
    """What shall become of codes, and why."""
    act, reason = typed.choice("act", ("pause", "resume", "void")), typed.text("reason", most=500)
    if act != "resume" and not reason:
        typed.wrong("reason", N_("Say why: it stands with the code and in the audit."))
    return {"act": act, "reason": reason}


def _require_lot(visit: Visit, lot_id: str) -> None:
    with transaction() as session:
        lot_of(session, visit.business.business, lot_id)


def codes_list(session: Session, visit: Visit, base: str, *, lot_id: str | None = None) -> CodesList:
    """Codes by state, buyer and the beginning of the code, as the address says."""
    asked = visit.request.query_params
    query = {name: asked.get(name, "").strip()[:100] for name in ("q", "state", "buyer")}
    condition = next((one for one in CONDITIONS if one == query["state"]), None)
    cursor = asked.get("cursor") or None
    found = coupons_page(
        session,
        visit.business.business,
        lot_id=lot_id,
        condition=condition,
        buyer_id=query["buyer"] or None,
        find=query["q"],
        after=cursor,
    )
    kept = {name: value for name, value in query.items() if value}
    next_href = link(base, kept | {"cursor": found.cursor}) if found.cursor else None
    return CodesList(found.coupons, base, kept, next_href, link(base, kept) if cursor else None)
