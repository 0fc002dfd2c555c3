"""An order's story in time: what was decided and done, what providers were asked and told, what the ledger booked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy.orm import Session

from capabilities.account.labels import label
from capabilities.account.postings import told
from capabilities.account.queries_reports import money_of_order
from capabilities.account.reports import MoneyMove
from capabilities.payment.contract import TimelineEntry
from capabilities.payment.queries import timeline_of_order
from capabilities.transaction.contract import Order
from capabilities.transaction.story_queries import StoryEntry, story_of
from web.access.queries import names_of
from web.console.acts import pieces, words
from web.console.payment_words import method_word
from web.console.texts import N_
from web.console.visit import Visit

ACT_WORDS = {
    "cancel": N_("pieces cancelled"),
    "restock": N_("pieces back on the shelf"),
    "change": N_("order changed"),
    "exchange": N_("goods exchanged"),
    "complete": N_("completed"),
    "fulfil": N_("handed over"),
}


@dataclass(frozen=True, slots=True)
class Booked:
    """One transfer of the ledger: from where to where, and why."""

    debit: str
    credit: str
    reason: str
    phase: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One thing that happened. `source` is order, payment or ledger; `badge` the kind of state that `state` is of."""

    at: datetime
    source: str
    badge: str
    state: str
    what: str
    about: str
    href: str | None
    actor: str
    amount_minor: int | None
    currency: str
    is_counted: bool = True
    booked: tuple[Booked, ...] = ()


def order_story(
    session: Session, visit: Visit, order: Order, sellers: Mapping[str, str], *, with_ledger: bool
) -> tuple[StoryLine, ...]:
    """Everything about an order in time, oldest first. The ledger's part only for those who may see the books."""
    events = story_of(session, order.id)
    asked = timeline_of_order(session, order.id)
    moves = money_of_order(session, order.id) if with_ledger else ()
    names = names_of(session, {e.actor or "" for e in events} | {e.actor for e in asked} | {m.actor for m in moves})
    lines = [_event(visit, order, one, names) for one in events]
    lines += [_payment(visit, one, names) for one in asked]
    lines += [
        _booking(visit, list(found), names, sellers) for _, found in groupby(moves, key=lambda move: move.linked_id)
    ]
    return tuple(sorted(lines, key=lambda line: line.at))


def _event(visit: Visit, order: Order, one: StoryEntry, names: Mapping[str, str]) -> StoryLine:
    what, href, badge = "", None, str(one.kind)
    if one.kind == "refund":
        what, href, badge = one.number, f"{visit.path}/refunds/{one.id}", "refund_change"
    elif one.kind == "return":
        what, href = one.number, f"{visit.path}/returns/{one.id}"
    elif one.kind == "act":
        what = words(visit, ACT_WORDS.get(one.what, one.what.replace("_", " ")))
    about = " · ".join(part for part in (pieces(visit, one.units) if one.units else "", one.reason or "") if part)
    actor = names.get(one.actor or "", one.actor or "")
    return StoryLine(
        at=one.at,
        source="order",
        badge=badge,
        state="" if one.kind == "act" else one.what,
        what=what,
        about=about,
        href=href,
        actor=actor,
        amount_minor=one.amount_minor,
        currency=order.currency,
    )


def _payment(visit: Visit, one: TimelineEntry, names: Mapping[str, str]) -> StoryLine:
    return StoryLine(
        at=one.occurred_at,
        source="payment",
        badge="payment_event",
        state=one.kind.value,
        what=method_word(visit, one.method),
        about=one.reason or "",
        href=None,
        actor=names.get(one.actor, ""),
        amount_minor=one.amount_minor,
        currency=one.currency,
        is_counted=one.is_counted,
    )


def _booking(visit: Visit, moves: list[MoneyMove], names: Mapping[str, str], sellers: Mapping[str, str]) -> StoryLine:
    """A linked set as one line: it was booked whole or not at all."""
    language = visit.operator.language
    booked = tuple(
        Booked(
            _account(move.debit.kind, move.debit.party, language, sellers),
            _account(move.credit.kind, move.credit.party, language, sellers),
            told(move.reason, language, sellers),
            move.phase.value,
            move.amount_minor,
            move.currency,
        )
        for move in moves
    )
    first = moves[0]
    what = told(first.reason, language, sellers)
    if len(moves) > 1:
        what = words(visit, N_("%(first)s, and %(num)s more"), first=what, num=len(moves) - 1)
    return StoryLine(
        at=first.created_at,
        source="ledger",
        badge="transfer",
        state=first.phase.value,
        what=what,
        about="",
        href=None,
        actor=names.get(first.actor, ""),
        amount_minor=first.amount_minor if len(moves) == 1 else None,
        currency=first.currency,
        booked=booked,
    )


def _account(kind: object, party: str, language: str, sellers: Mapping[str, str]) -> str:
    named = label(kind, language)  # type: ignore[arg-type]
    return f"{named} · {sellers.get(party, party)}" if party else named
