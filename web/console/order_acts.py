"""What can be done to an order: pages that are shown in a dialog, each started through its process."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from capabilities.kernel.errors import MissingError
from capabilities.transaction.contract import Order
from web.access.permissions import Action
from web.console.act_change import ChangeAct, ExchangeAct
from web.console.act_dues import CollectAct
from web.console.act_refund import RefundAct
from web.console.act_units import CancelAct, HandOverAct, ReturnAct
from web.console.doing import Act, do, look_at
from web.console.edge import ConsoleRoute
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)

ACTS: dict[str, Act[Order]] = {
    "cancel": CancelAct(),
    "hand-over": HandOverAct(),
    "return": ReturnAct(),
    "change": ChangeAct(),
    "exchange": ExchangeAct(),
    "collect": CollectAct(),
}
REFUND = RefundAct()
T = TypeVar("T")


@router.get("/console/{business}/orders/{order_id}/refund", name="refund_act")
def look_at_refund(visit: Annotated[Visit, Depends(Needs(Action.REFUND_ORDERS))], order_id: str) -> Response:
    return look_at(visit, REFUND, order_id)


@router.post("/console/{business}/orders/{order_id}/refund", name="refund_order")
async def refund(visit: Annotated[Visit, Depends(Needs(Action.REFUND_ORDERS))], order_id: str) -> Response:
    return await do(visit, REFUND, order_id)


@router.get("/console/{business}/orders/{order_id}/acts/{act}", name="order_act")
def look(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_ORDERS))], order_id: str, act: str) -> Response:
    return look_at(visit, _named(act), order_id)


@router.post("/console/{business}/orders/{order_id}/acts/{act}", name="do_order_act")
async def act_on(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_ORDERS))], order_id: str, act: str) -> Response:
    return await do(visit, await run_in_threadpool(_named, act), order_id)


def _named(act: str) -> Act[Order]:
    found = ACTS.get(act)
    if found is None:
        raise MissingError("console.act_unknown", f"There is no act {act!r} on an order.")
    return found
