"""Operations of the ledger for a sale: reserved, posted and shared out, or undone. `docs/postings.md` has the table.

What is in transit is zero again once a sale is posted. All ids follow from the order: a repeated step finds them. A sale
that one provider pays at once reads nothing it would not read anyway; `stored_minor` and `later_minor` say that stored value
pays a part (`payment.reserve_stored` reserves it), or that a part is due later.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy.orm import Session

from activities.account_requests import Part, TransfersResponse
from activities.catalogue import StepContext, operation
from activities.payment_requests import LaterMinor
from activities.settlement import untaxed
from capabilities.account.contract import AccountKind, Origin, Phase, Transfer, TransferRequest
from capabilities.account.postings import Cause, reason
from capabilities.account.queries import transfers_of
from capabilities.account.service import correct, post_transfers
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.ids import derived_id
from capabilities.settlement.contract import CommissionLine
from capabilities.settlement.queries import commissions_of
from capabilities.transaction.contract import OfferKind, Order
from capabilities.transaction.queries import order_of

SHARES = {
    AccountKind.SELLER_PAYABLE: "sale.seller",
    AccountKind.COMMISSION_REVENUE: "sale.commission",
    AccountKind.TAX_PAYABLE: "sale.tax",
    AccountKind.DELIVERY_REVENUE: "sale.delivery",
    AccountKind.FEE_REVENUE: "sale.fee",
    AccountKind.PROVIDER_FEES: "sale.channel_fee",
    AccountKind.WITHHELD_TAX: "sale.withheld",
}
"""Who gets a part of a sale, by which posting."""


class SaleRequest(Part):
    """An order's sale. `stored_minor` of it is paid by stored value, `later_minor` is due later; a provider pays the rest."""

    order_id: str
    stored_minor: LaterMinor = None
    later_minor: LaterMinor = None

    @property
    def elsewhere_minor(self) -> int:
        """What no provider pays at once."""
        return (self.stored_minor or 0) + (self.later_minor or 0)


class ReserveSaleResponse(Part):
    """`transfer_id` is what a provider is expected to pay; None where it pays nothing."""

    transfer_id: str | None


@operation("account.reserve_sale", en="Reserve the sale in the ledger", zh="账务预记销售")
def reserve_sale(session: Session, context: StepContext, request: SaleRequest) -> ReserveSaleResponse:
    """Expect what a provider is to pay, and what is due later: pending transfers."""
    order = order_of(session, request.order_id)
    cause = cause_of(order)
    expected = order.total_minor - request.elsewhere_minor
    if expected < 0:
        raise ConflictError("account.sources_off", f"More is paid for order {order.number} than its total.")
    reserved = []
    if expected:
        reserved.append(cause.transfer("sale.reserved", expected, part="reserved", phase=Phase.PENDING))
    if request.later_minor:
        later = cause.transfer(
            "sale.due_later", (request.later_minor or 0), debit=order.id, part="later", phase=Phase.PENDING
        )
        reserved.append(later)
    if reserved:
        post_transfers(session, reserved, origin=origin_of(context))
    return ReserveSaleResponse(transfer_id=reserved[0].id if expected else None)


@operation("account.void_sale", en="Void the reserved sale", zh="撤销账务预记")
def void_sale(session: Session, context: StepContext, request: SaleRequest) -> TransfersResponse:
    """Void what is still pending of the order; nothing where nothing is."""
    made = transfers_of(session, request.order_id)
    voids = [
        TransferRequest(
            id=derived_id("trf", transfer.id, "void"),
            phase=Phase.VOID,
            pending_id=transfer.id,
            subject=transfer.subject,
            reason=reason("voided", of=transfer.reason),
        )
        for transfer in pending_of(made)
    ]
    return made_by(post_transfers(session, voids, origin=origin_of(context)) if voids else ())


@operation("account.post_sale", en="Post the sale in the ledger", zh="账务记销售")
def post_sale(session: Session, context: StepContext, request: SaleRequest) -> TransfersResponse:
    """Post what was reserved, and share the total out: sellers, commission, tax, delivery, surcharges."""
    order = order_of(session, request.order_id)
    if order.total_minor == 0:
        return TransfersResponse(transfer_ids=())
    cause = cause_of(order)
    parts = [("reserved", "posted", "sale.reserved", order.total_minor - request.elsewhere_minor)]
    parts.append(("later", "later posted", "sale.due_later", request.later_minor or 0))
    postings = [
        TransferRequest(
            id=cause.id_of(posted),
            phase=Phase.POST,
            pending_id=cause.id_of(reserved),
            subject=order.id,
            reason=reason("posted", of=code),
        )
        for reserved, posted, code, amount in parts
        if amount > 0
    ]
    shares = shares_of(order, commissions_of(session, order.id))
    requests = [
        cause.transfer(SHARES[kind], amount, credit=party, part=f"shared, {kind.value} {party}".strip())
        for (kind, party), amount in sorted(shares.items())
        if amount > 0
    ]
    return made_by(post_transfers(session, [*postings, *requests], origin=origin_of(context)))


@operation("account.reverse_sale", en="Reverse the posted sale", zh="冲销销售")
def reverse_sale(session: Session, context: StepContext, request: SaleRequest) -> TransfersResponse:
    """Take back everything that was posted for the order, each by a transfer that names it; nothing where nothing was."""
    made = transfers_of(session, request.order_id)
    corrected = {transfer.corrects_id for transfer in made}
    posted = [
        transfer.id
        for transfer in made
        if transfer.phase in (Phase.SINGLE, Phase.POST)
        and transfer.corrects_id is None
        and transfer.id not in corrected
    ]
    if not posted:
        return TransfersResponse(transfer_ids=())
    return made_by(correct(session, posted, reason="sale reversed", origin=origin_of(context)))


def shares_of(order: Order, commissions: tuple[CommissionLine, ...]) -> Counter[tuple[AccountKind, str]]:
    """Who gets what of the order's total. It adds up to the total exactly, or `ConflictError`."""
    fees = {line.line_id: line for line in commissions if line.status == "frozen"}
    shares: Counter[tuple[AccountKind, str]] = Counter()
    for line in order.lines:
        shares[AccountKind.TAX_PAYABLE, ""] += line.tax_minor
        if line.kind is not OfferKind.GOODS:
            of_kind = AccountKind.DELIVERY_REVENUE if line.kind is OfferKind.DELIVERY else AccountKind.FEE_REVENUE
            shares[of_kind, ""] += untaxed(line)
            continue
        fee = fees.get(line.line_id)
        if fee is None or fee.base_minor != untaxed(line):
            raise ConflictError("account.commission_missing", f"The commission of line {line.line_id} is not frozen.")
        shares[AccountKind.SELLER_PAYABLE, line.seller_id] += fee.seller_net_minor
        shares[AccountKind.COMMISSION_REVENUE, ""] += fee.commission_minor
        shares[AccountKind.TAX_PAYABLE, ""] += fee.tax_minor
        shares[AccountKind.PROVIDER_FEES, ""] += fee.channel_fee_minor
        shares[AccountKind.WITHHELD_TAX, ""] += fee.withheld_minor
    if shares.total() != order.total_minor:
        raise ConflictError(
            "account.shares_off",
            f"The shares of order {order.number} add up to {shares.total()}, its total is {order.total_minor}.",
        )
    return shares


def cause_of(order: Order) -> Cause:
    """Transfers about an order; their ids follow from it."""
    return Cause(order.business, order.currency, order.id, (order.id,))


def pending_of(made: tuple[Transfer, ...]) -> list[Transfer]:
    """Those that are reserved and not resolved yet."""
    resolved = {transfer.pending_id for transfer in made}
    return [one for one in made if one.phase is Phase.PENDING and one.id not in resolved]


def origin_of(context: StepContext) -> Origin:
    """Who moves the money, for the ledger."""
    return Origin(actor=context.actor, correlation_id=context.correlation_id)


def made_by(transfers: tuple[Transfer, ...]) -> TransfersResponse:
    """The ids, as an operation answers them."""
    return TransfersResponse(transfer_ids=tuple(transfer.id for transfer in transfers))
