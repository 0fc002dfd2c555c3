"""Operations on stored value outside of a payment: gift cards, points, cashback."""

from __future__ import annotations

from sqlalchemy.orm import Session

from activities.account import origin_of
from activities.account_requests import (
    CardResponse,
    CardStateRequest,
    CashbackRequest,
    GrantResponse,
    IssueCardRequest,
    PointsRequest,
    TopUpCardRequest,
)
from activities.catalogue import StepContext, operation
from capabilities.account import gift_cards, points
from capabilities.account.contract import Transfer
from capabilities.account.postings import read_reason
from capabilities.account.queries_stored import gift_card_of
from capabilities.account.stored import (
    GiftCard,
    GrantCashback,
    GrantPoints,
    IssueGiftCard,
    TakeBackCashback,
    TakeBackPoints,
    TopUpGiftCard,
)


@operation("account.issue_gift_card", en="Issue a gift card", zh="发行礼品卡")
def issue_gift_card(session: Session, context: StepContext, request: IssueCardRequest) -> CardResponse:
    """A card with its money; the code stays with whoever asked, only its reference is written."""
    asked = IssueGiftCard(
        key=context.key,
        business=context.identity.business,
        reference=request.reference,
        last4=request.last4,
        currency=request.currency,
        amount_minor=request.amount_minor,
        funding=request.funding,
        buyer_id=request.buyer_id,
        subject=request.subject or context.run_id,
        expires_at=request.expires_at,
    )
    return _card(gift_cards.issue_gift_card(session, asked, origin=origin_of(context)), changed=True)


@operation("account.top_up_gift_card", en="Top up a gift card", zh="礼品卡充值")
def top_up_gift_card(session: Session, context: StepContext, request: TopUpCardRequest) -> CardResponse:
    """More money on an active card."""
    gift_card_of(session, request.card_id, business=context.identity.business)
    asked = TopUpGiftCard(
        key=context.key, card_id=request.card_id, amount_minor=request.amount_minor, funding=request.funding
    )
    return _card(gift_cards.top_up_gift_card(session, asked, origin=origin_of(context)), changed=True)


@operation("account.freeze_gift_card", en="Freeze a gift card", zh="冻结礼品卡")
def freeze_gift_card(session: Session, context: StepContext, request: CardStateRequest) -> CardResponse:
    """Nothing can be spent from it until it is thawed; what a checkout has reserved already is."""
    gift_card_of(session, request.card_id, business=context.identity.business)
    changed = gift_cards.freeze_gift_card(session, request.card_id, reason=request.reason)
    return _card(gift_card_of(session, request.card_id), changed=changed)


@operation("account.thaw_gift_card", en="Thaw a gift card", zh="解冻礼品卡")
def thaw_gift_card(session: Session, context: StepContext, request: CardStateRequest) -> CardResponse:
    """It can be spent again."""
    gift_card_of(session, request.card_id, business=context.identity.business)
    changed = gift_cards.thaw_gift_card(session, request.card_id, reason=request.reason)
    return _card(gift_card_of(session, request.card_id), changed=changed)


@operation("account.grant_points", en="Grant points", zh="发放积分")
def grant_points(session: Session, context: StepContext, request: PointsRequest) -> GrantResponse:
    """Points for a buyer; what they owe is settled first."""
    return _granted(points.grant_points(session, GrantPoints(**_points(context, request)), origin=origin_of(context)))


@operation("account.take_back_points", en="Take points back", zh="收回积分")
def take_back_points(session: Session, context: StepContext, request: PointsRequest) -> GrantResponse:
    """Points that were granted and are not deserved any more; what is spent becomes a debt."""
    asked = TakeBackPoints(**_points(context, request))
    return _granted(points.take_back_points(session, asked, origin=origin_of(context)))


@operation("account.grant_cashback", en="Grant cashback", zh="发放返现")
def grant_cashback(session: Session, context: StepContext, request: CashbackRequest) -> GrantResponse:
    """Money for a buyer's wallet; what they owe is settled first."""
    asked = GrantCashback(key=context.key, business=context.identity.business, **request.model_dump())
    return _granted(points.grant_cashback(session, asked, origin=origin_of(context)))


@operation("account.take_back_cashback", en="Take cashback back", zh="收回返现")
def take_back_cashback(session: Session, context: StepContext, request: CashbackRequest) -> GrantResponse:
    """Cashback that is not deserved any more; what is spent becomes a debt."""
    asked = TakeBackCashback(key=context.key, business=context.identity.business, **request.model_dump())
    return _granted(points.take_back_cashback(session, asked, origin=origin_of(context)))


def _points(context: StepContext, request: PointsRequest) -> dict[str, object]:
    identity = context.identity
    return {"key": context.key, "business": identity.business, "scenario": identity.scenario, **request.model_dump()}


def _card(card: GiftCard, *, changed: bool) -> CardResponse:
    return CardResponse(card_id=card.id, state=card.state.value, balance_minor=card.balance_minor, changed=changed)


def _granted(transfers: tuple[Transfer, ...]) -> GrantResponse:
    by_code = {read_reason(one.reason).code: one.amount_minor for one in transfers}
    return GrantResponse(
        transfer_ids=tuple(one.id for one in transfers),
        settled=by_code.get("points.settles", 0) + by_code.get("wallet.settles", 0),
        owed=by_code.get("points.owed", 0) + by_code.get("wallet.owed", 0),
    )
