"""What the operations of the ledger ask and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from capabilities.account.stored import Funding
from capabilities.kernel.money import MAX_MINOR, Currency

Amount = Annotated[int, Field(gt=0, le=MAX_MINOR)]
AmountOrNone = Annotated[int, Field(ge=0, le=MAX_MINOR)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TransfersResponse(Part):
    """The transfers that stand for this, made now or earlier; empty where there was nothing to move."""

    transfer_ids: tuple[str, ...]


class PostRefundRequest(Part):
    refund_id: Name


class ChargebackRequest(Part):
    """`opened`: the provider took the money. `won`: it gave it back. `lost`: it keeps it.

    A lost one with a `refund_id` is borne as that refund's shares say (seller, commission, tax …); without, by us.
    """

    chargeback_id: Name
    order_id: Name
    outcome: Literal["opened", "won", "lost"]
    amount_minor: Amount
    fee_minor: AmountOrNone = 0
    refund_id: str | None = None


class PayoutRequest(Part):
    """A payout as the bank knows it.

    `sent` sets it aside, `paid` books it, `failed` sets it free again (a later attempt is `attempt` + 1), `returned` takes
    back what was booked: the bank sent it back.
    """

    business: Name
    payout_id: Name
    attempt: int = Field(default=1, ge=1)
    seller_id: Name
    currency: Currency
    amount_minor: Amount
    outcome: Literal["sent", "paid", "failed", "returned"]


class InstalmentRequest(Part):
    """Something due later was collected: by a provider, by the courier, or it never will be (`written_off`)."""

    order_id: Name
    due: int = Field(ge=0)
    amount_minor: Amount
    by: Literal["provider", "courier", "written_off"] = "provider"


class StatementRequest(Part):
    """What a provider's (or courier's) statement settles: fees it kept, and what the bank was credited (below 0: debited).

    `difference_minor` is what an operator writes off (below 0: more came than was known).
    """

    business: Name
    statement_id: Name
    currency: Currency
    source: Literal["provider", "courier"] = "provider"
    fees_minor: AmountOrNone = 0
    credited_minor: int = 0
    difference_minor: int = 0


class ReserveRequest(Part):
    """Keep a part of a seller's money back, or release it."""

    business: Name
    reserve_id: Name
    seller_id: Name
    currency: Currency
    amount_minor: Amount
    outcome: Literal["held", "released"]


class IssueCardRequest(Part):
    """`reference` and `last4` come from the code, which the caller keeps; see `capabilities.account.stored`."""

    reference: str
    last4: str
    currency: Currency
    amount_minor: Amount
    funding: Funding = Funding.GIVEN
    buyer_id: str | None = None
    subject: str | None = None
    expires_at: datetime | None = None


class CardResponse(Part):
    """`changed` is False where it stood so already."""

    card_id: str
    state: str
    balance_minor: int
    changed: bool


class TopUpCardRequest(Part):
    card_id: Name
    amount_minor: Amount
    funding: Funding = Funding.GIVEN


class CardStateRequest(Part):
    card_id: Name
    reason: Name


class PointsRequest(Part):
    """Points for a buyer; `subject` is what they are for, such as an order."""

    buyer_id: Name
    points: Amount
    currency: Currency
    subject: Name


class CashbackRequest(Part):
    """Money for a buyer's wallet."""

    buyer_id: Name
    amount_minor: Amount
    currency: Currency
    subject: Name


class GrantResponse(Part):
    """`settled` went against what the buyer owed; of what is taken back, `owed` could not be taken and is a debt now."""

    transfer_ids: tuple[str, ...]
    settled: int = 0
    owed: int = 0


class CorrectRequest(Part):
    """Take transfers back, each by one that names it. A transfer is corrected once; a correction can be corrected."""

    transfer_ids: tuple[Name, ...] = Field(min_length=1, max_length=500)
    reason: Name
