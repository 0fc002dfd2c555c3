"""What a process may be started with: the names definitions use under `input`, and their types.

An operation's name stands for its request: a process of one step takes what its step takes.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from activities.catalogue import operations
from capabilities.marketing.campaigns import AskTopUp, ChangeCampaign, CreateCampaign
from capabilities.marketing.contract import CreateCoupon
from capabilities.marketing.coupons import ChangeCoupons, CouponFile, CreateLot
from capabilities.transaction.contract import CheckoutRequest, RefundRequest, UnitsOfLine

ROLES = frozenset({"editor", "approver", "operator", "admin"})
"""Who may be asked for an approval: the roles of people that decide anything."""


class Input(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RefundInput(Input):
    """What is to be given back. `sha256` is the preview's that somebody agreed to: another result is a conflict.

    `is_owed`: the buyer has it coming already, because pieces were cancelled, changed or exchanged. Where rules refuse it a
    person decides, and what a provider declines is asked for until it is given.
    """

    request: RefundRequest
    sha256: str | None = Field(default=None, max_length=64)
    is_owed: bool = False


class CancellationInput(Input):
    """No lines: the whole order, or of a confirmed one all that is not handed over."""

    order_id: str
    lines: tuple[UnitsOfLine, ...] = ()
    reason: str = Field(default="Cancelled.", min_length=1, max_length=500)


class SettlementInput(Input):
    """The day to settle; None: today, in the zone of the business."""

    run_date: date | None = None


class ChargebackInput(Input):
    """What the buyer's bank took back, as the provider tells it. `fee_minor` is what the provider charges for it."""

    order_id: str
    reference: str = Field(min_length=1, max_length=100)
    reason: str = Field(default="", max_length=500)
    amount_minor: int = Field(gt=0)
    fee_minor: int = Field(default=0, ge=0)


class RefundReturnedInput(Input):
    """A refund whose money is here again: the provider took it back later, or the buyer's bank did not take it."""

    refund_id: str
    order_id: str
    reason: str = Field(default="The money came back.", min_length=1, max_length=500)


INPUTS: dict[str, type[BaseModel]] = {
    "transaction.checkout": CheckoutRequest,
    "transaction.refund": RefundInput,
    "transaction.cancellation": CancellationInput,
    "settlement.run": SettlementInput,
    "settlement.chargeback": ChargebackInput,
    "payment.refund_returned": RefundReturnedInput,
    "marketing.campaign": CreateCampaign,
    "marketing.campaign_change": ChangeCampaign,
    "marketing.coupon": CreateCoupon,
    "marketing.coupon_change": ChangeCoupons,
    "marketing.coupon_file": CouponFile,
    "marketing.lot": CreateLot,
    "marketing.top_up": AskTopUp,
}


def all_inputs() -> dict[str, type[BaseModel]]:
    """Every name a definition may give its input."""
    return {name: found.request for name, found in operations().items()} | INPUTS


def typed_input(name: str, body: object) -> dict[str, object]:
    """The JSON of an input, validated. Raises `pydantic.ValidationError`."""
    return all_inputs()[name].model_validate(body).model_dump(mode="json")
