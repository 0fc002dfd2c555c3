"""Give money back for an order: pieces, the delivery, surcharges or an amount; what is shown is what is given."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.errors import RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.transaction.contract import (
    Order,
    RefundKind,
    RefundPreview,
    RefundRequest,
)
from capabilities.transaction.refundable import refunded_as
from web.console.acts import ActPage, Preview, Table, input_of, pieces, reason_field, words
from web.console.doing import Given
from web.console.formats import amount
from web.console.order_choices import (
    OrderAct,
    chosen_units,
    frozen_units,
    goods_units,
    names_by_line,
    order_crumbs,
    order_href,
    shown_money,
    unit_fields,
)
from web.console.payment_words import method_word
from web.console.rule_input import read_money
from web.console.texts import N_
from web.console.visit import Visit
from workflows.previewing import preview_of_refund

KINDS = {
    RefundKind.RETURN: N_("goods came back"),
    RefundKind.CANCELLATION: N_("cancelled, not sent"),
    RefundKind.GOODWILL: N_("goodwill"),
    RefundKind.CHARGEBACK: N_("taken by the bank"),
}
CHOICES = (RefundKind.RETURN, RefundKind.GOODWILL, RefundKind.CANCELLATION)


class RefundAct(OrderAct):
    """Ask for a refund: the policy says whether it goes on by itself, waits for a person, or is refused."""

    process = "refund"

    def href(self, visit: Visit, order: Order) -> str:
        return f"{order_href(visit, order)}/refund"

    def frame(self, session: Session, visit: Visit, subject: Order, given: Given) -> ActPage:
        kind = _kind(given)
        most = _most(session, subject, kind)
        yes_no = "yes" if given.get("delivery") == "yes" else "no"
        fees = "yes" if given.get("fees") == "yes" else "no"
        fields = [
            input_of(
                "kind",
                words(visit, N_("Why")),
                kind.value,
                control="select",
                choices=tuple((one.value, words(visit, KINDS[one])) for one in CHOICES),
            ),
            *unit_fields(visit, subject, most, given),
        ]
        if subject.delivery_minor:
            fields.append(input_of("delivery", words(visit, N_("The delivery too")), yes_no, control="yesno"))
        if subject.fee_minor:
            fields.append(input_of("fees", words(visit, N_("Surcharges too")), fees, control="yesno"))
        fields.append(
            input_of(
                "amount",
                words(visit, N_("Or an amount alone")),
                given.get("amount", ""),
                control="money",
                unit=subject.currency,
                help_text=words(visit, N_("Spread over what is kept, without pieces.")),
            )
        )
        if subject.buyer_id is not None:
            fields.append(
                input_of(
                    "destination",
                    words(visit, N_("Back to")),
                    given.get("destination", "sources"),
                    control="select",
                    choices=(
                        ("sources", words(visit, N_("what it was paid from"))),
                        ("wallet", words(visit, N_("the buyer's wallet"))),
                    ),
                )
            )
        return ActPage(
            heading=words(visit, N_("Refund of order %(number)s"), number=subject.number),
            crumbs=order_crumbs(visit, subject),
            href=self.href(visit, subject),
            back=order_href(visit, subject),
            fields=tuple(fields),
            empty=words(
                visit, N_("Choose pieces, the delivery, surcharges or an amount: what it gives back is shown here.")
            ),
            blocked=""
            if subject.confirmed_at is not None and subject.origin != "import"
            else words(visit, N_("Nothing was paid for this order here, so nothing can be given back.")),
        )

    def preview(self, session: Session, visit: Visit, subject: Order, given: Given) -> Preview | None:
        request = self._request(session, visit, subject, given, "")
        if request is None:
            return None
        offer = preview_of_refund(
            session,
            BusinessIdentity(subject.business, subject.scenario),
            request,
            actor=visit.operator.id,
        )
        if offer.outcome == "refuse":
            raise RefusedError(
                "transaction.refund_refused",
                words(visit, N_("The refund policy refuses it: %(reason)s"), reason=offer.reason or "–"),
                mend=words(visit, N_("Goodwill goes by other rules; an approver can look at it.")),
            )
        found, asks = offer.preview, offer.outcome == "ask"
        due = shown_money(found.due_minor, subject)
        count = sum(line.units for line in found.lines if line.kind == "goods")
        return Preview(
            sentence=self._sentence(visit, subject, count, due, to_wallet=request.destination == "wallet"),
            button=words(visit, N_("Ask for a refund of %(money)s") if asks else N_("Refund %(money)s"), money=due),
            tables=_tables(visit, subject, found, to_wallet=request.destination == "wallet"),
            facts=_facts(visit, subject, found, offer.reason),
            note=words(visit, N_("The policy asks a person: somebody else has to approve it before money goes."))
            if asks
            else "",
            frozen=(*self._frozen(request, given), ("shown", f"{found.sha256}.{found.fee_minor}")),
            fields=(
                reason_field(visit, given.get("reason", ""), help_text=words(visit, N_("The buyer may read it."))),
            ),
        )

    def body(self, session: Session, visit: Visit, subject: Order, given: Given, reason: str) -> dict[str, Any]:
        request = self._request(session, visit, subject, given, reason)
        if request is None:
            return {}
        identity = BusinessIdentity(subject.business, subject.scenario)
        offer = preview_of_refund(session, identity, request, actor=visit.operator.id)
        return {"request": request.model_dump(mode="json"), "sha256": offer.preview.sha256}

    def _request(self, session: Session, visit: Visit, order: Order, given: Given, reason: str) -> RefundRequest | None:
        kind = _kind(given)
        lines = chosen_units(visit, _most(session, order, kind), given)
        value = read_money(given["amount"], order.currency, field="amount") if given.get("amount") else 0
        delivery, fees = given.get("delivery") == "yes", given.get("fees") == "yes"
        if not (lines or value or delivery or fees):
            return None
        return RefundRequest(
            order_id=order.id,
            kind=kind,
            lines=lines,
            delivery=delivery,
            fees=fees,
            amount_minor=value or None,
            reason=reason,
            return_id=given.get("return_id"),
            destination="wallet" if given.get("destination") == "wallet" and order.buyer_id else "sources",
        )

    def _frozen(self, request: RefundRequest, given: Given) -> tuple[tuple[str, str], ...]:
        kept = [
            (name, given[name]) for name in ("delivery", "fees", "amount", "destination", "return_id") if name in given
        ]
        return (("kind", request.kind.value), *frozen_units(request.lines), *kept)

    def _sentence(self, visit: Visit, order: Order, count: int, due: str, *, to_wallet: bool) -> str:
        target = words(visit, N_("the buyer's wallet") if to_wallet else N_("what it was paid from"))
        if count:
            text = N_(
                "Refund %(pieces)s of order %(number)s: %(money)s back to %(target)s. Money that went cannot be called back."
            )
        else:
            text = N_(
                "Refund a part of order %(number)s: %(money)s back to %(target)s. Money that went cannot be called back."
            )
        return words(visit, text, pieces=pieces(visit, count), number=order.number, money=due, target=target)


def _kind(given: Given) -> RefundKind:
    text = given.get("kind", "")
    return RefundKind(text) if text in {one.value for one in CHOICES} else RefundKind.RETURN


def _most(session: Session, order: Order, kind: RefundKind) -> dict[str, int]:
    """Pieces a refund of the kind may still name, by line: what was handed over, or what was cancelled."""
    before = refunded_as(session, order.id, RefundKind.CANCELLATION)
    found = {}
    for line in goods_units(session, order):
        cancelled = before.get(line.line_id, 0)
        is_cancellation = kind is RefundKind.CANCELLATION
        left = line.cancelled - cancelled if is_cancellation else line.fulfilled - (line.refunded - cancelled)
        found[line.line_id] = max(0, left)
    return found


def _tables(visit: Visit, order: Order, found: RefundPreview, *, to_wallet: bool) -> tuple[tuple[str, Table], ...]:
    names = names_by_line(visit, order)
    code = order.currency
    lines = Table(
        head=(
            words(visit, N_("Item")),
            words(visit, N_("Pieces")),
            words(visit, N_("Before")),
            words(visit, N_("Discount")),
            words(visit, N_("Tax")),
            f"{words(visit, N_('Given back'))} ({code})",
        ),
        rows=tuple(
            (
                names.get(line.line_id, line.sku),
                str(line.units) if line.units else "–",
                amount(line.gross_minor, code),
                amount(-line.discount_minor, code),
                amount(line.tax_minor, code),
                amount(line.total_minor, code),
            )
            for line in found.lines
        ),
        foot=(words(visit, N_("Total")), "", "", "", "", amount(found.total_minor, code)),
        numbers=(1, 2, 3, 4, 5),
    )
    tables = [(words(visit, N_("What is given back")), lines)]
    if found.sources and not to_wallet:
        sources = Table(
            head=(words(visit, N_("Paid from")), f"{words(visit, N_('Given back'))} ({code})"),
            rows=tuple((method_word(visit, one.method), amount(one.amount_minor, code)) for one in found.sources),
            foot=(words(visit, N_("To the buyer")), amount(found.due_minor, code)),
            numbers=(1,),
        )
        tables.append((words(visit, N_("Where it goes")), sources))
    return tuple(tables)


def _facts(visit: Visit, order: Order, found: RefundPreview, policy: str | None) -> tuple[tuple[str, str], ...]:
    facts = [(words(visit, N_("Taken off the order")), shown_money(found.total_minor, order))]
    if found.fee_minor:
        facts.append((words(visit, N_("Fee kept by the policy")), shown_money(-found.fee_minor, order)))
    if found.unpaid_minor:
        facts.append((words(visit, N_("Never paid, owed no longer")), shown_money(-found.unpaid_minor, order)))
    facts.append((words(visit, N_("To the buyer")), shown_money(found.due_minor, order)))
    facts.append(
        (words(visit, N_("Still kept afterwards")), shown_money(found.refundable_minor - found.total_minor, order))
    )
    if policy:
        facts.append((words(visit, N_("Policy")), policy))
    return tuple(facts)
