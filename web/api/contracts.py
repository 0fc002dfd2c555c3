"""What the API takes and gives beyond the capabilities' own contracts, with examples that a test holds to the schema."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from activities.receipt import Receipt
from capabilities.account.stored import card_reference
from capabilities.kernel.money import Currency
from capabilities.transaction.contract import (
    MAX_LINES,
    MAX_QUANTITY,
    CheckoutLine,
    CheckoutRequest,
    Fulfilment,
    Sku,
    UnitsOfLine,
)
from capabilities.transaction.sources import MAX_SOURCES, PaymentSource, check_sources

Plain = StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")
"""Text without control characters: a database cannot even keep some of them."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
CouponCode = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class Body(BaseModel):
    """Frozen and closed: a misspelt field is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(Body):
    """A sku of the catalogue and a number of pieces; the price comes from the offer."""

    sku: Sku = Field(description="A sku of `GET /offers`.", examples=["RT-TEA-001"])
    quantity: int = Field(strict=True, gt=0, le=MAX_QUANTITY, description="Pieces.", examples=[2])


class QuoteBody(Body):
    """A cart to be priced. Nothing is kept that binds anybody."""

    business: Name | None = Field(
        default=None, description="The key's own business; may be left out.", examples=["retail"]
    )
    scenario: Name | None = Field(default=None, description="A narrower case of the business.", examples=[None])
    channel: Annotated[str, StringConstraints(max_length=40), Plain] = Field(default="web", examples=["web"])
    currency: Currency = Field(description="ISO 4217; must be the one the offers are priced in.", examples=["CNY"])
    country: str = Field(default="CN", pattern=r"^[A-Z]{2}$", description="Destination, ISO 3166.", examples=["CN"])
    buyer_id: Name | None = Field(default=None, description="Left out: a guest.", examples=[None])
    lines: tuple[Line, ...] = Field(min_length=1, max_length=MAX_LINES, description="At most 1,000.")
    delivery_sku: Sku | None = Field(default=None, description="An offer of the kind `delivery`.", examples=[None])
    coupon_codes: tuple[CouponCode, ...] = Field(default=(), max_length=20, examples=[[]])
    payment_method: Annotated[str, StringConstraints(max_length=64), Plain] = Field(
        default="sim_ok", description="Promotions may depend on it.", examples=["sim_ok"]
    )

    def as_request(self, business: str) -> CheckoutRequest:
        """The capability's own request, for the business the key belongs to."""
        return CheckoutRequest(
            business=business,
            scenario=self.scenario,
            channel=self.channel,
            currency=self.currency,
            country=self.country,
            buyer_id=self.buyer_id,
            lines=tuple(CheckoutLine(sku=line.sku, quantity=line.quantity) for line in self.lines),
            delivery_sku=self.delivery_sku,
            coupon_codes=self.coupon_codes,
            payment_method=self.payment_method,
        )


class SourceBody(Body):
    """One of several ways a cart is paid, in the order they are listed."""

    method: Annotated[str, StringConstraints(min_length=1, max_length=64), Plain] = Field(
        description="A payment method, or `gift_card`, `points`, `wallet`.", examples=["gift_card"]
    )
    amount_minor: int | None = Field(
        default=None,
        gt=0,
        le=10**15,
        strict=True,
        description="Left out by at most one source: it pays the rest.",
        examples=[5000],
    )
    code: CouponCode | None = Field(
        default=None, description="Of a gift card: its code. It is not kept.", examples=["7K2M-94QX-TT0B-VW3E"]
    )

    def as_source(self) -> PaymentSource:
        """As the process keeps it: a card's fingerprint in place of its code."""
        reference = None if self.code is None else card_reference(self.code)
        return PaymentSource(method=self.method, amount_minor=self.amount_minor, reference=reference)


class CheckoutBody(QuoteBody):
    """A cart to be bought. `expected_total_minor` or `quote_id` say what the buyer agreed to pay."""

    expected_total_minor: int | None = Field(
        default=None,
        ge=0,
        le=10**15,
        strict=True,
        description="Refuses with 409 `transaction.total_changed` when the total is another one.",
        examples=[None],
    )
    quote_id: Name | None = Field(
        default=None, description="A quote of `POST /quotes`; as above when it no longer holds.", examples=[None]
    )
    payments: tuple[SourceBody, ...] = Field(
        default=(),
        max_length=MAX_SOURCES,
        description="Several sources instead of `payment_method`: their amounts add up to the total.",
        examples=[[]],
    )
    attributes: dict[Name, Annotated[str, StringConstraints(max_length=500), Plain]] = Field(
        default_factory=dict,
        max_length=40,
        description="Address and the like, carried on the order; `begins_on` is the day of what is bought.",
        examples=[{"recipient": "Li Na", "begins_on": "2027-02-01"}],
    )
    terms: Annotated[str, StringConstraints(min_length=1, max_length=40), Plain] | None = Field(
        default=None,
        description="Payment terms the buyer asks for, such as `deposit`; rules decide on them. Left out: all at once.",
        examples=[None],
    )

    @model_validator(mode="after")
    def _sources_go_together(self) -> CheckoutBody:
        check_sources([source.as_source() for source in self.payments], buyer_id=self.buyer_id)
        return self

    def as_request(self, business: str) -> CheckoutRequest:
        return (
            super()
            .as_request(business)
            .model_copy(
                update={
                    "expected_total_minor": self.expected_total_minor,
                    "quote_id": self.quote_id,
                    "payments": tuple(source.as_source() for source in self.payments),
                    "terms": self.terms,
                    "attributes": self.attributes,
                }
            )
        )


class FieldProblem(BaseModel):
    """One field that is not as it should be."""

    at: str = Field(examples=["body.lines[0].quantity"])
    code: str = Field(examples=["greater_than"])
    detail: str = Field(examples=["Input should be greater than 0."])


class Problem(BaseModel):
    """Problem details (RFC 9457). `code` is stable and made for programs, `detail` for people, `mend` says what to do."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["https://zhongtai.example/problems/payment.declined"])
    title: str = Field(examples=["Refused"])
    status: int = Field(examples=[402])
    detail: str = Field(examples=["The payment was declined: the card has expired."])
    code: str = Field(examples=["payment.declined"])
    mend: str | None = Field(default=None, examples=["Choose another payment method."])
    errors: list[FieldProblem] | None = Field(default=None, description="Of a 422: each field.")


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "The key's business has none of that id."}
}


class CheckoutAccepted(BaseModel):
    """The outcome is not known yet, or a person looks at the order; ask `Location` again."""

    model_config = ConfigDict(extra="allow")

    status: str = Field(examples=["running"], description="`running`, `payment_unknown` or `in_review`.")
    run_id: str = Field(examples=["run_01J9ZW8T3N5Q7R2K4M6P8S0V1X"])
    detail: str | None = None


class StepView(BaseModel):
    """A step of a process, as far as a front-end may know."""

    step: str = Field(examples=["authorize"])
    status: str = Field(examples=["done"])
    attempt: int = Field(examples=[1])
    started_at: datetime
    ended_at: datetime | None


class ProcessView(BaseModel):
    """How far a process has come."""

    id: str
    process: str = Field(examples=["checkout"])
    status: str = Field(
        examples=["ended"], description="`starting`, `running`, `waiting`, `stuck`, `undoing` or `ended`."
    )
    outcome: str | None = Field(examples=["confirmed"], description="How it ended, once it has.")
    waiting_for: str | None = Field(description="The event it waits for, such as a review.")
    order_id: str | None = Field(description="The order it is about, once there is one.")
    started_at: datetime
    ended_at: datetime | None
    answer_status: int | None = Field(description="The HTTP status of its answer, once there is one.")
    answer: dict[str, Any] | None
    steps: list[StepView]


class OrderView(Receipt):
    """A receipt, why the order stands where it stands, what was handed over, and what of it still can be."""

    status_reason: str | None
    attributes: dict[str, str] = Field(default_factory=dict, description="As the checkout gave them.")
    tags: list[str] = Field(default_factory=list, description="What rules wrote on the order.")
    begins_on: date | None = Field(default=None, description="The day of what was bought, where it has one.")
    open_units: list[UnitsOfLine] = Field(default_factory=list, description="Neither handed over nor cancelled.")
    fulfilments: list[Fulfilment] = Field(default_factory=list, description="What was handed over, oldest first.")


class BuyerView(BaseModel):
    """A buyer as a front-end needs one: no address of any kind."""

    id: str
    name: str
    tier: str = Field(examples=["vip"])
    status: str = Field(examples=["active"], description="A suspended buyer cannot buy.")


class BuyerViews(BaseModel):
    """One page of buyers; `next_cursor` is null on the last."""

    buyers: list[BuyerView]
    next_cursor: str | None


class CategoryList(BaseModel):
    """Category paths, in order."""

    categories: list[str] = Field(examples=[["tea", "tea/green"]])
