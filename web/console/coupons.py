"""Codes: search, one code with its uses, a single new one, pause and void; files of codes in and out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import InvalidError, MissingError, PlatformError
from capabilities.kernel.idempotency import answer_of
from capabilities.kernel.ids import new_id
from capabilities.marketing.coupon_files import lines_of, preview_coupons
from capabilities.marketing.coupons import CouponLine, CouponUseLine, ImportedCoupons
from capabilities.marketing.queries_coupons import coupon_of, export_rows, lot_of, uses_of_coupon
from capabilities.transaction.queries import find_order
from capabilities.user.queries import find_buyer
from web.access.audit import record_act
from web.access.permissions import Action
from web.console.acts import perform
from web.console.became import Became, became_of
from web.console.campaigns import who_may
from web.console.coupon_lots import AFTER_REFUND, CodesList, codes_list, read_change
from web.console.edge import STATUS, ConsoleRoute
from web.console.pages import go, page
from web.console.texts import N_
from web.console.typed import Typed, file_text
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

NEW = ("code", "opens", "use_limit", "buyer_id", "valid_from", "valid_until", "after_refund", "after_refund_days")


@dataclass(frozen=True)
class CodesPage:
    codes: CodesList
    who_change: tuple[str, ...]


@dataclass(frozen=True)
class NewCouponPage:
    typed: Typed
    key: str
    policies: tuple[str, ...] = AFTER_REFUND


@dataclass(frozen=True)
class CouponPage:
    """One code; `numbers` are the numbers of the orders that used it."""

    coupon: CouponLine
    uses: tuple[CouponUseLine, ...]
    numbers: dict[str, str]
    typed: Typed
    key: str
    became: Became | None
    who_change: tuple[str, ...]


@dataclass(frozen=True)
class ImportPage:
    """First the file, then what it would do, then what became of it."""

    typed: Typed
    key: str
    preview: ImportedCoupons | None
    done: ImportedCoupons | None
    became: Became | None


@router.get("/console/{business}/marketing/coupons/codes", name="coupon_codes")
def coupon_codes(visit: Annotated[Visit, Depends(Needs(Action.SEE_COUPONS))]) -> Response:
    with transaction() as session:
        found = codes_list(session, visit, f"{visit.path}/marketing/coupons/codes")
    return page(
        visit, "marketing/codes.html", CodesPage(found, who_may(visit, Action.CHANGE_COUPONS)), block="codes_part"
    )


@router.get("/console/{business}/marketing/coupons/code", name="coupon")
def coupon(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_COUPONS))], code: str = "", ran: str | None = None
) -> Response:
    try:
        return show_coupon(visit, code, ran=ran)
    except MissingError:
        if ran is None:
            raise
        return go(visit, f"{visit.path}/marketing/coupons?ran={ran}")  # it is still being made; the list says so


def show_coupon(
    visit: Visit, code: str, *, typed: Typed | None = None, ran: str | None = None, status: int = 200
) -> Response:
    """One code, why it cannot be used if it cannot, and the orders that used it."""
    here = visit.business.business
    with transaction() as session:
        found = coupon_of(session, here, code)
        uses = uses_of_coupon(session, here, code)
        orders = {use.order_id: find_order(session, use.order_id, business=here) for use in uses}
        context = CouponPage(
            coupon=found,
            uses=uses,
            numbers={order_id: order.number for order_id, order in orders.items() if order is not None},
            typed=typed or Typed(visit, ("reason",)),
            key=new_id("act"),
            became=became_of(session, visit, ran),
            who_change=who_may(visit, Action.CHANGE_COUPONS),
        )
    return page(visit, "marketing/coupon.html", context, block="coupon", status=status)


@router.post("/console/{business}/marketing/coupons/code", name="change_coupon")
async def change_coupon(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))], code: str = "") -> Response:
    """Pause, resume or void one code."""
    typed = Typed(visit, ("act", "reason"))
    found = await run_in_threadpool(_coupon, visit, code)
    body = {"business": visit.business.business, "code": found.code, **read_change(typed)}
    status = 422
    if typed.is_good:
        try:
            return await perform(
                visit,
                process="change_coupons",
                body=body,
                subject=found.code,
                back=code_href(visit, found.code),
                audited={"reason": body["reason"]},
            )
        except PlatformError as error:
            typed.refused(error)
            status = STATUS[error.kind]
    return await run_in_threadpool(show_coupon, visit, code, typed=typed, status=status)


def _coupon(visit: Visit, code: str) -> CouponLine:
    with transaction() as session:
        return coupon_of(session, visit.business.business, code)


def code_href(visit: Visit, code: str) -> str:
    """The page of a code, whatever letters it has."""
    return f"{visit.path}/marketing/coupons/code?{urlencode({'code': code})}"


# --- one new code -----------------------------------------------------------------------------------------------


@router.get("/console/{business}/marketing/new-coupon", name="new_coupon")
def new_coupon(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))]) -> Response:
    return _form(visit, Typed(visit, NEW, use_limit="1"))


@router.post("/console/{business}/marketing/new-coupon", name="create_coupon")
async def create_coupon(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))]) -> Response:
    """One code, such as the word a newsletter prints."""
    typed = Typed(visit, NEW)
    body = await run_in_threadpool(_read_coupon, visit, typed)
    if typed.is_good:
        back = code_href(visit, body["code"])
        try:
            return await perform(visit, process="create_coupon", body=body, subject=body["code"], back=back)
        except PlatformError as error:
            typed.refused(error)
    return await run_in_threadpool(_form, visit, typed, 422)


def _form(visit: Visit, typed: Typed, status: int = 200) -> Response:
    return page(visit, "marketing/coupon_new.html", NewCouponPage(typed, new_id("act")), block="main", status=status)


def _read_coupon(visit: Visit, typed: Typed) -> dict[str, Any]:
    begins, ends = typed.moment("valid_from"), typed.moment("valid_until")
    if begins is not None and ends is not None and ends <= begins:
        typed.wrong("valid_until", N_("The end is not after the beginning."))
    policy = typed.choice("after_refund", AFTER_REFUND)
    days = typed.number("after_refund_days", least=1, most=3650, needed=policy == "restore_within")
    buyer = typed.text("buyer_id", most=64)
    if buyer:
        with transaction() as session:
            if find_buyer(session, visit.business.business, buyer) is None:
                typed.wrong("buyer_id", N_("Nobody is known by this id; see the list of customers."))
    return {
        "business": visit.business.business,
        "code": typed.text("code", most=64, needed=True),
        "opens": typed.text("opens", most=64) or None,
        "use_limit": typed.number("use_limit", least=1),
        "buyer_id": buyer or None,
        "valid_from": begins and begins.isoformat(),
        "valid_until": ends and ends.isoformat(),
        "after_refund": policy,
        "after_refund_days": days if policy == "restore_within" else None,
    }


# --- files ------------------------------------------------------------------------------------------------------


@router.get("/console/{business}/marketing/coupons/import", name="import_coupons_form")
def import_form(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))], ran: str | None = None) -> Response:
    """The file; after it was applied, what became of every row."""
    with transaction() as session:
        happened = became_of(session, visit, ran)
        answer = answer_of(session, happened.run_id) if happened else None
    done = None if answer is None or answer.status != 200 else ImportedCoupons.model_validate_json(answer.body)
    context = ImportPage(Typed(visit, ("text",)), new_id("act"), None, done, happened)
    return page(visit, "marketing/coupon_import.html", context, block="main")


@router.post("/console/{business}/marketing/coupons/import", name="import_coupons")
async def import_coupons(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))]) -> Response:
    """Look at what the file would do; then, with `apply`, do it."""
    typed = Typed(visit, ("text",))
    typed.values["text"] = await file_text(visit, "file") or typed.get("text")
    preview = None
    if not typed.get("text"):
        typed.wrong("text", N_("Choose a file, or paste its lines."))
    elif typed.get("apply"):
        here = visit.business.business
        body = {"business": here, "file": typed.get("text")}
        back = f"{visit.path}/marketing/coupons/import"
        try:
            return await perform(visit, process="import_coupons", body=body, subject=here, back=back)
        except PlatformError as error:
            typed.refused(error)
    else:
        try:
            preview = await run_in_threadpool(_preview, visit, typed.get("text"))
        except InvalidError as error:
            typed.wrong("text", error.message)
            typed.mend = error.mend
    status = 422 if typed.errors else 200
    context = ImportPage(typed, new_id("act"), preview, None, None)
    return page(visit, "marketing/coupon_import.html", context, block="main", status=status)


def _preview(visit: Visit, text: str) -> ImportedCoupons:
    with transaction() as session:
        return preview_coupons(session, visit.business.business, text)


@router.get("/console/{business}/marketing/coupons/export", name="export_coupons")
def export_coupons(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_COUPONS))], lot: str = "") -> Response:
    """Every code, of a lot or of the business, streamed. Codes are worth money: who took them is audited."""
    here = visit.business.business
    with transaction() as session:
        if lot:
            lot_of(session, here, lot)
        record_act(
            session, business=here, actor=visit.operator.id, action="coupons.export", subject=lot or here, detail={}
        )

    def lines() -> Iterator[str]:
        with transaction() as session:
            yield from lines_of(export_rows(session, here, lot_id=lot or None))

    name = f"coupons-{here}{'-' + lot if lot else ''}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)
