"""Operations of the ledger: how a sale becomes transfers.

| when | debit | credit | amount |
|---|---|---|---|
| reserved | provider clearing (pending) | sales in transit (pending) | total |
| posted | provider clearing | sales in transit | total |
| | sales in transit | seller payable, each seller | untaxed goods − commission − tax on it |
| | sales in transit | commission revenue | commission |
| | sales in transit | tax payable | tax of the order + tax on the commission |
| | sales in transit | delivery revenue | untaxed delivery |

So what is in transit is zero again once a sale is posted. All ids follow from the order: a repeated step finds them.
"""

from __future__ import annotations

from collections import Counter

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.settlement import untaxed
from capabilities.account.contract import AccountKind, AccountRef, Origin, Phase, Transfer, TransferRequest
from capabilities.account.queries import transfers_of
from capabilities.account.service import post_transfers
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.ids import derived_id
from capabilities.settlement.contract import CommissionLine
from capabilities.settlement.queries import commissions_of
from capabilities.transaction.contract import OfferKind, Order
from capabilities.transaction.queries import order_of


class Part(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SaleRequest(Part):
    order_id: str


class ReserveSaleResponse(Part):
    """`transfer_id` is None for an order that costs nothing: there is nothing to move."""

    transfer_id: str | None


class TransfersResponse(Part):
    transfer_ids: tuple[str, ...]


@operation("account.reserve_sale", en="Reserve the sale in the ledger", zh="账务预记销售")
def reserve_sale(session: Session, context: StepContext, request: SaleRequest) -> ReserveSaleResponse:
    """Expect the order's total from the provider: a pending transfer."""
    order = order_of(session, request.order_id)
    if order.total_minor == 0:
        return ReserveSaleResponse(transfer_id=None)
    clearing = _account(order, AccountKind.PROVIDER_CLEARING)
    transit = _account(order, AccountKind.SALES_IN_TRANSIT)
    pending = _transfer(order, "reserved", clearing, transit, order.total_minor, Phase.PENDING)
    (made,) = post_transfers(session, [pending], origin=_origin(context))
    return ReserveSaleResponse(transfer_id=made.id)


@operation("account.void_sale", en="Void the reserved sale", zh="撤销账务预记")
def void_sale(session: Session, context: StepContext, request: SaleRequest) -> TransfersResponse:
    """Void what is still pending of the order; nothing where nothing is."""
    made = transfers_of(session, request.order_id)
    resolved = {transfer.pending_id for transfer in made}
    voids = [
        TransferRequest(
            id=derived_id("trf", transfer.id, "void"),
            phase=Phase.VOID,
            pending_id=transfer.id,
            subject=transfer.subject,
            reason="sale voided",
        )
        for transfer in made
        if transfer.phase is Phase.PENDING and transfer.id not in resolved
    ]
    return _made(post_transfers(session, voids, origin=_origin(context)) if voids else ())


@operation("account.post_sale", en="Post the sale in the ledger", zh="账务记销售")
def post_sale(session: Session, context: StepContext, request: SaleRequest) -> TransfersResponse:
    """Post the reserved total, and share it out: sellers, commission, tax, delivery."""
    order = order_of(session, request.order_id)
    if order.total_minor == 0:
        return TransfersResponse(transfer_ids=())
    reserved = derived_id("trf", order.id, "reserved")
    posting = TransferRequest(
        id=derived_id("trf", order.id, "posted"),
        phase=Phase.POST,
        pending_id=reserved,
        subject=order.id,
        reason="sale posted",
    )
    shares = shares_of(order, commissions_of(session, order.id))
    transit = _account(order, AccountKind.SALES_IN_TRANSIT)
    requests = [
        _transfer(order, f"shared, {kind.value} {party}".strip(), transit, _account(order, kind, party), amount)
        for (kind, party), amount in sorted(shares.items())
        if amount > 0
    ]
    return _made(post_transfers(session, [posting, *requests], origin=_origin(context)))


@operation("account.reverse_sale", en="Reverse the posted sale", zh="冲销销售")
def reverse_sale(session: Session, context: StepContext, request: SaleRequest) -> TransfersResponse:
    """Take back everything that was posted for the order, each by a transfer that names it; nothing where nothing was."""
    made = transfers_of(session, request.order_id)
    corrected = {transfer.corrects_id for transfer in made}
    accounts = _accounts(order_of(session, request.order_id), made) if made else {}
    backwards = [
        TransferRequest(
            id=derived_id("trf", transfer.id, "reversed"),
            debit=accounts[transfer.credit_account_id],
            credit=accounts[transfer.debit_account_id],
            amount_minor=transfer.amount_minor,
            corrects_id=transfer.id,
            subject=transfer.subject,
            reason="sale reversed",
        )
        for transfer in made
        if transfer.phase in (Phase.SINGLE, Phase.POST)
        and transfer.corrects_id is None
        and transfer.id not in corrected
    ]
    return _made(post_transfers(session, backwards, origin=_origin(context)) if backwards else ())


def shares_of(order: Order, commissions: tuple[CommissionLine, ...]) -> Counter[tuple[AccountKind, str]]:
    """Who gets what of the order's total. It adds up to the total exactly, or `ConflictError`."""
    fees = {line.line_id: line for line in commissions if line.status == "frozen"}
    shares: Counter[tuple[AccountKind, str]] = Counter()
    for line in order.lines:
        shares[AccountKind.TAX_PAYABLE, ""] += line.tax_minor
        if line.kind is OfferKind.DELIVERY:
            shares[AccountKind.DELIVERY_REVENUE, ""] += untaxed(line)
            continue
        fee = fees.get(line.line_id)
        if fee is None or fee.base_minor != untaxed(line):
            raise ConflictError("account.commission_missing", f"The commission of line {line.line_id} is not frozen.")
        shares[AccountKind.SELLER_PAYABLE, line.seller_id] += fee.seller_net_minor
        shares[AccountKind.COMMISSION_REVENUE, ""] += fee.commission_minor
        shares[AccountKind.TAX_PAYABLE, ""] += fee.tax_minor
    if shares.total() != order.total_minor:
        raise ConflictError(
            "account.shares_off",
            f"The shares of order {order.number} add up to {shares.total()}, its total is {order.total_minor}.",
        )
    return shares


def _accounts(order: Order, made: tuple[Transfer, ...]) -> dict[str, AccountRef]:
    """The accounts an order may have moved money on, by id."""
    parties = {line.seller_id for line in order.lines}
    refs = [_account(order, kind) for kind in AccountKind if kind is not AccountKind.SELLER_PAYABLE]
    refs += [_account(order, AccountKind.SELLER_PAYABLE, party) for party in sorted(parties)]
    by_id = {ref.id: ref for ref in refs}
    unknown = {id_ for t in made for id_ in (t.debit_account_id, t.credit_account_id)} - by_id.keys()
    if unknown:
        raise ConflictError("account.reversal_unclear", "The order moved money on accounts that are not a sale's.")
    return by_id


def _account(order: Order, kind: AccountKind, party: str = "") -> AccountRef:
    return AccountRef(business=order.business, kind=kind, party=party, currency=order.currency)


def _transfer(
    order: Order, part: str, debit: AccountRef, credit: AccountRef, amount_minor: int, phase: Phase = Phase.SINGLE
) -> TransferRequest:
    return TransferRequest(
        id=derived_id("trf", order.id, part),
        phase=phase,
        debit=debit,
        credit=credit,
        amount_minor=amount_minor,
        subject=order.id,
        reason=f"sale {part}",
    )


def _origin(context: StepContext) -> Origin:
    return Origin(actor=context.actor, correlation_id=context.correlation_id)


def _made(transfers: tuple[Transfer, ...]) -> TransfersResponse:
    return TransfersResponse(transfer_ids=tuple(transfer.id for transfer in transfers))
