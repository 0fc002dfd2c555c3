"""What others see of the ledger: accounts, transfers between two of them, entries, balances.

Amounts are whole minor units of the account's currency. A transfer moves an amount from its credit account to its debit
account, in one currency; what must move together is posted as one linked set.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.ids import derived_id
from capabilities.kernel.money import MAX_MINOR, Currency

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ReasonText = Annotated[str, StringConstraints(min_length=1, max_length=600)]


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Side(StrEnum):
    """On which side an account grows: assets by debits, liabilities (and revenue) by credits."""

    ASSET = "asset"
    LIABILITY = "liability"


class AccountKind(StrEnum):
    """The chart of accounts. Whose account one is says its party; `docs/postings.md` tells what moves on each."""

    PROVIDER_CLEARING = "provider_clearing"
    SALES_IN_TRANSIT = "sales_in_transit"
    SELLER_PAYABLE = "seller_payable"
    COMMISSION_REVENUE = "commission_revenue"
    TAX_PAYABLE = "tax_payable"
    DELIVERY_REVENUE = "delivery_revenue"
    BUYER_WALLET = "buyer_wallet"
    BANK = "bank"
    EXCHANGE = "exchange"
    FEE_REVENUE = "fee_revenue"
    REFUND_FEE_REVENUE = "refund_fee_revenue"
    BREAKAGE_REVENUE = "breakage_revenue"
    GIFT_CARD = "gift_card"
    POINTS = "points"
    BUYER_DEBT = "buyer_debt"
    BUYER_RECEIVABLE = "buyer_receivable"
    COURIER_CLEARING = "courier_clearing"
    SELLER_RESERVE = "seller_reserve"
    WITHHELD_TAX = "withheld_tax"
    CHARGEBACKS = "chargebacks"
    PROVIDER_FEES = "provider_fees"
    MARKETING_EXPENSE = "marketing_expense"
    GIFT_CARD_PROMOTION = "gift_card_promotion"
    WRITE_OFFS = "write_offs"


ASSETS = frozenset(
    {
        AccountKind.PROVIDER_CLEARING,
        AccountKind.BANK,
        AccountKind.EXCHANGE,
        AccountKind.BUYER_DEBT,
        AccountKind.BUYER_RECEIVABLE,
        AccountKind.COURIER_CLEARING,
        AccountKind.CHARGEBACKS,
        AccountKind.PROVIDER_FEES,
        AccountKind.MARKETING_EXPENSE,
        AccountKind.GIFT_CARD_PROMOTION,
        AccountKind.WRITE_OFFS,
    }
)
"""Kinds that grow by debits: what we have or are owed, and what was spent. All others grow by credits."""

SIDES: Mapping[AccountKind, Side] = {kind: Side.ASSET if kind in ASSETS else Side.LIABILITY for kind in AccountKind}

LOWEST: Mapping[AccountKind, int] = dict.fromkeys(
    (
        AccountKind.BUYER_WALLET,
        AccountKind.GIFT_CARD,
        AccountKind.POINTS,
        AccountKind.BUYER_DEBT,
        AccountKind.BUYER_RECEIVABLE,
        AccountKind.SELLER_RESERVE,
    ),
    0,
)
"""Kinds whose balance has a lower limit; their accounts keep one balance row, all others are spread over slots."""

POINTS_CURRENCY = "PTS"
"""Points are an asset of the ledger in a currency of their own, without decimals."""


@lru_cache(maxsize=8_192)
def _account_id(business: str, kind: str, party: str, currency: str) -> str:
    return derived_id("acc", business, kind, party, currency)


class AccountRef(Contract):
    """An account by what it is; it is opened when it is first used. `party` is empty for the business's own."""

    business: Text
    kind: AccountKind
    party: str = ""
    currency: Currency

    @property
    def id(self) -> str:
        return _account_id(self.business, self.kind.value, self.party, self.currency)

    @property
    def side(self) -> Side:
        return SIDES[self.kind]

    @property
    def lowest_minor(self) -> int | None:
        """The balance this account must never fall below, pending counted; None where there is no limit."""
        return LOWEST.get(self.kind)


class Phase(StrEnum):
    """`single` posts at once; `pending` reserves; the others resolve a pending transfer, which happens once."""

    SINGLE = "single"
    PENDING = "pending"
    POST = "post"
    VOID = "void"
    EXPIRE = "expire"


RESOLVING = frozenset({Phase.POST, Phase.VOID, Phase.EXPIRE})


class Exchange(Contract):
    """The other half of a pair that crosses currencies, and the rate.

    One minor unit of this transfer's currency is worth `numerator / denominator` minor units of the other's. Amounts are
    whole, so they may be off the rate by less than one unit of the coarser currency.
    """

    other_id: Text
    numerator: int = Field(gt=0, le=MAX_MINOR)
    denominator: int = Field(gt=0, le=MAX_MINOR)

    def fits(self, amount_minor: int, other_minor: int) -> bool:
        """Whether two amounts are at this rate."""
        off = other_minor * self.denominator - amount_minor * self.numerator
        return abs(off) < max(self.numerator, self.denominator)

    def of_other(self, id_: str) -> Exchange:
        """The same pair seen from the other half; `id_` is this one's."""
        return Exchange(other_id=id_, numerator=self.denominator, denominator=self.numerator)


class TransferRequest(Contract):
    """A transfer to make. `id` makes it idempotent; resolving transfers name the pending one, others the accounts.

    `corrects_id` names the transfer that this one takes back. `amount_minor` of a resolving transfer: how much of the
    pending amount is posted, None for all of it; a void or an expiry posts nothing. `exchange` stands on both halves of
    a pair that crosses currencies; `reason` is a code with parameters, see `postings`.
    """

    id: Text
    phase: Phase = Phase.SINGLE
    debit: AccountRef | None = None
    credit: AccountRef | None = None
    amount_minor: int | None = Field(default=None, gt=0, le=MAX_MINOR)
    pending_id: str | None = None
    corrects_id: str | None = None
    expires_at: datetime | None = None
    exchange: Exchange | None = None
    subject: Text
    reason: ReasonText

    @model_validator(mode="after")
    def _is_whole(self) -> TransferRequest:
        if self.phase in RESOLVING:
            if self.pending_id is None or self.debit is not None or self.credit is not None:
                raise InvalidError(
                    "account.transfer_invalid", "A resolving transfer names its pending one, no accounts."
                )
            return self
        if self.debit is None or self.credit is None or self.amount_minor is None or self.pending_id is not None:
            raise InvalidError("account.transfer_invalid", "A transfer names two accounts and an amount.")
        if self.debit.id == self.credit.id:
            raise InvalidError("account.transfer_invalid", "A transfer moves between two different accounts.")
        if self.debit.currency != self.credit.currency:
            raise InvalidError(
                "account.currency_mismatch",
                "A transfer moves one currency.",
                mend="Exchange by a linked pair of transfers through the exchange account.",
            )
        return self


class Origin(Contract):
    """Who moves the money and why it can be traced; stands on every transfer."""

    actor: Text
    correlation_id: Text


class Transfer(Contract):
    """A transfer that was made. It never changes; resolving or correcting it is another transfer."""

    id: str
    business: str
    linked_id: str
    phase: Phase
    debit_account_id: str
    credit_account_id: str
    currency: Currency
    amount_minor: int
    pending_id: str | None
    corrects_id: str | None
    expires_at: datetime | None
    subject: str
    reason: str
    exchange: Exchange | None = None
    actor: str
    correlation_id: str
    created_at: datetime


class Entry(Contract):
    """One side of a transfer on one account. `layer` is posted or pending; pending entries are taken back when resolved."""

    transfer_id: str
    account_id: str
    kind: AccountKind
    party: str
    layer: str
    side: str
    amount_minor: int
    currency: Currency
    reason: str
    created_at: datetime


class Balance(Contract):
    """Sums of an account. `minor` on the account's own side, posted; `available_minor` less what is pending to go out."""

    account_id: str
    side: Side
    currency: Currency
    debits_posted_minor: int = 0
    credits_posted_minor: int = 0
    debits_pending_minor: int = 0
    credits_pending_minor: int = 0

    @property
    def minor(self) -> int:
        difference = self.debits_posted_minor - self.credits_posted_minor
        return difference if self.side is Side.ASSET else -difference

    @property
    def available_minor(self) -> int:
        leaving = self.credits_pending_minor if self.side is Side.ASSET else self.debits_pending_minor
        return self.minor - leaving


class TrialBalance(Contract):
    """All accounts of a business in one currency; the two columns are equal, or something is broken."""

    currency: Currency
    debits_minor: int
    credits_minor: int
    balances: tuple[tuple[AccountRef, Balance], ...]

    @property
    def difference_minor(self) -> int:
        return self.debits_minor - self.credits_minor
