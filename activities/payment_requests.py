"""What the operations of payment take and give. The operations stand in `payment`, `payment_sources` and `payment_refunds`.

| operation | request | response | undo |
|---|---|---|---|
| `payment.reserve_stored` | order and sources | a share for each source, cards too | `payment.release_stored` |
| `payment.authorize` (outside) | order, method, sources | all cards of the order together | `payment.void` |
| `payment.find_outcome` (outside) | one payment of the order | all cards of the order together | – |
| `payment.capture` (outside) | order and its first payment | all cards of the order together | `payment.refund` |
| `payment.post_stored` | order and sources | a share for each stored value | `payment.release_stored` |
| `payment.refund_shares` (outside) | refund, order, amount | a share for each source that gives back | – |
| `payment.find_refund` (outside) | refund | as `payment.refund_shares` | – |

Without sources, `reserve_stored`, `post_stored` and `release_stored` do nothing and ask the database nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from capabilities.payment.contract import MAX_SOURCES, SourceShare
from capabilities.transaction.contract import PaymentSource


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


LaterMinor = Annotated[int | None, Field(ge=0)]
"""What is due later; a checkout that agreed on no terms has nothing, and says nothing."""


class StoredRequest(Part):
    """An order and what it is paid from, as the checkout asked; empty: one card pays all. `later_minor` is due later."""

    order_id: str
    sources: tuple[PaymentSource, ...] = Field(default=(), max_length=MAX_SOURCES)
    later_minor: LaterMinor = None


class StoredResponse(Part):
    """The shares, in the recorded order. `stored_minor` is what stored value pays, `card_minor` what cards pay."""

    shares: tuple[SourceShare, ...] = ()
    stored_minor: int = 0
    card_minor: int = 0


class AuthorizeRequest(Part):
    """`later_minor` of the order's total is due later: it is not asked for now."""

    order_id: str
    method: str
    sources: tuple[PaymentSource, ...] = Field(default=(), max_length=MAX_SOURCES)
    later_minor: LaterMinor = None


class AuthorizeResponse(Part):
    """`unknown`: the provider did not answer in time; `payment.find_outcome` finds out. `told` is `reason` as a sentence."""

    payment_id: str
    status: Literal["authorized", "declined", "unknown"]
    reason: str | None
    told: str | None = None


class FindOutcomeRequest(Part):
    payment_id: str


class FindOutcomeResponse(Part):
    """What became of the payment; `failed` is a capture that did not work. `told` is `reason` as a sentence."""

    payment_id: str
    status: Literal["authorized", "captured", "declined", "failed"]
    reason: str | None
    told: str | None = None


class CaptureRequest(Part):
    order_id: str
    payment_id: str


class CaptureResponse(Part):
    payment_id: str
    status: Literal["captured", "unknown", "failed"]
    reason: str | None
    told: str | None = None


class VoidRequest(Part):
    order_id: str


class RefundRequest(Part):
    order_id: str
    payment_id: str | None = None


class TakenBack(Part):
    """What an undo found and did; `nothing` where nothing was authorized or captured."""

    payment_id: str | None
    status: str
    is_refused: bool = False
    """A provider keeps what was charged."""
    reason: str | None = None


class RefundSharesRequest(Part):
    """Give this much back over the sources of the order. Asked again for the same refund, only what failed is sent anew."""

    refund_id: str = Field(min_length=1, max_length=64)
    order_id: str
    amount_minor: int = Field(gt=0)


class FindRefundRequest(Part):
    refund_id: str


class RefundSharesResponse(Part):
    """`incomplete`: some was given back and some refused; asking again sends what was refused, under keys of its own.

    `unknown`: `payment.find_refund` finds out. `given_minor` is what was given back, whatever the status. `told` is
    `reason` as a sentence.
    """

    refund_id: str
    status: Literal["succeeded", "unknown", "failed", "incomplete"]
    amount_minor: int
    given_minor: int
    shares: tuple[SourceShare, ...]
    reason: str | None = None
    told: str | None = None
