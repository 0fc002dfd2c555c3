"""Erasing a buyer: what is personal goes everywhere, the books stay whole and can still be computed again.

What stays is an opaque id, on orders, payments and in the ledger, and the words of consent as the proof of what was agreed
to. A price whose rules asked for birthday, tags or segments keeps those with its cart (the birthday without its year), so
that it can be computed again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, or_, select, text, update
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.journal.models import ProcessRun
from activities.personal_register import REGISTER, Link, Manner
from capabilities.kernel.clock import now
from capabilities.kernel.database import Base
from capabilities.kernel.errors import ConflictError
from capabilities.kernel.outbox import publish
from capabilities.marketing.models import QuoteRow
from capabilities.transaction.buyer_history import OpenMatter, open_matters, orders_with_refunds
from capabilities.user.contract import BuyerStatus, ErasedBuyer, EraseRequest
from capabilities.user.models import BuyerRow, SegmentMemberRow
from capabilities.user.tiers import lock_buyer
from rules.models import RuleReleaseRow

GONE = "[erased]"
LETTER = "[A-Za-z0-9_\u00c0-\u024f]"
SHORTEST = {True: 3, False: 2}
"""Letters of a part of a name, Latin or not; shorter ones are found by chance in what has nothing to do with the person."""
ABOUT_A_BUYER: Mapping[str, tuple[str, ...]] = {
    "birthday": ("buyer.is_birthday", "buyer.days_to_birthday"),
    "tags": ("buyer.tags",),
    "segments": ("buyer.segments",),
}
"""What is handed on of a buyer that tells of the person, and the facts rules ask it by."""
NOTHING: frozenset[str] = frozenset()
Ids = Mapping[Link, list[str]]


@operation("user.erase", en="Erase the buyer", zh="删除买家个人信息")
def erase(session: Session, context: StepContext, request: EraseRequest) -> ErasedBuyer:
    """Refused while anything of the buyer is open: somebody has yet to deliver to them, or to pay them back."""
    business = context.identity.business
    row = lock_buyer(session, business, request.buyer_id)
    before = row.erased_at
    if before is not None:
        return ErasedBuyer(buyer_id=row.id, erased_at=before, rows={})
    _require_closed(open_matters(session, business, row.id))
    session.execute(text("SELECT set_config('zhongtai.erasing', 'on', true)"))
    rows = _scrub_all(session, business, row)
    at = _empty(session, row)
    publish(session, business=business, type="buyer.erased", subject=row.id, data={"buyer_id": row.id})
    session.execute(text("SELECT set_config('zhongtai.erasing', 'off', true)"))
    session.expire_all()
    return ErasedBuyer(buyer_id=request.buyer_id, erased_at=at, rows=rows)


def _require_closed(matters: tuple[OpenMatter, ...]) -> None:
    if matters:
        named = ", ".join(f"{matter.number} ({matter.status})" for matter in matters[:10])
        raise ConflictError(
            "user.erasure_too_early",
            f"Something of this buyer is still open: {named}.",
            mend="Complete or cancel it first, then erase the buyer.",
            open=[matter.model_dump() for matter in matters[:100]],
        )


def _empty(session: Session, row: BuyerRow) -> datetime:
    at = now()
    row.name, row.email, row.birthday = "", None, None
    row.tags, row.segments = [], []
    row.tier_reason = row.set_tier_reason = row.set_tier = row.set_tier_until = None
    row.status, row.status_reason, row.erased_at = BuyerStatus.ERASED.value, None, at
    session.execute(
        delete(SegmentMemberRow).where(SegmentMemberRow.business == row.business, SegmentMemberRow.buyer_id == row.id)
    )
    session.flush()
    return at


# --- around the buyer -------------------------------------------------------------------------------------------


def _scrub_all(session: Session, business: str, row: BuyerRow) -> dict[str, int]:
    orders = orders_with_refunds(session, business, row.id)
    ids: dict[Link, list[str]] = {
        Link.BUYER: [row.id],
        Link.ORDER: sorted(orders.order_ids),
        Link.REFUND: sorted(orders.refund_ids),
        Link.RUN: _runs_of(session, business, row.id, orders.run_ids, orders.order_ids),
    }
    words = words_of(row, orders.attributes)
    asked_for = _what_prices_asked_for(session, business, row.id)
    changed: dict[str, int] = {}
    for name, registered in REGISTER.items():
        if registered.link is None:
            continue
        table = Base.metadata.tables[name]
        emptied = registered.manners.get(Manner.EMPTIED, ())
        scrubbed = registered.manners.get(Manner.SCRUBBED, ())
        count = 0
        for found in _rows(session, business, table, registered.column, ids[registered.link], (*emptied, *scrubbed)):
            key = {column.name: found[column.name] for column in table.primary_key}
            keeps = asked_for.get(found["id"], NOTHING) if name == "quote" else NOTHING
            new: dict[str, Any] = {column: {} for column in emptied if found[column]}
            new |= {
                column: cleaned
                for column in scrubbed
                if (cleaned := scrubbed_value(found[column], words, keeps)) != found[column]
            }
            if new:
                same = [table.c[column] == value for column, value in key.items()]
                session.execute(update(table).where(*same).values(new))
                count += 1
        if count:
            changed[name] = count
    return changed


def _rows(
    session: Session, business: str, table: Table, link: str, ids: list[str], columns: Iterable[str]
) -> list[dict[str, Any]]:
    wanted = [*table.primary_key, *(table.c[column] for column in columns)]
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), 1_000):
        some = ids[start : start + 1_000]
        rows = session.execute(select(*wanted).where(table.c.business == business, table.c[link].in_(some)))
        found += [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's own way to a dictionary
    return found


def _runs_of(
    session: Session, business: str, buyer_id: str, run_ids: Iterable[str], order_ids: Iterable[str]
) -> list[str]:
    about = [*order_ids, buyer_id]
    of_buyer = ProcessRun.input["buyer_id"].astext == buyer_id
    found = session.scalars(
        select(ProcessRun.id).where(
            ProcessRun.business == business,
            or_(of_buyer, ProcessRun.subject.in_(about), ProcessRun.id.in_(sorted(set(run_ids)))),
        )
    )
    return sorted({*found, *run_ids})


def _what_prices_asked_for(session: Session, business: str, buyer_id: str) -> dict[str, frozenset[str]]:
    """By quote of the buyer, what of `ABOUT_A_BUYER` its rules asked for: its price cannot be computed again without."""
    asked: dict[str, frozenset[str]] = {}
    for release_id, document in session.execute(select(RuleReleaseRow.release_id, RuleReleaseRow.document)):
        written = json.dumps(document)
        asked[release_id] = frozenset(
            part for part, facts in ABOUT_A_BUYER.items() if any(f'"{fact}"' in written for fact in facts)
        )
    quotes = session.execute(
        select(QuoteRow.id, QuoteRow.release_ids).where(QuoteRow.business == business, QuoteRow.buyer_id == buyer_id)
    )
    return {quote_id: NOTHING.union(*(asked.get(each, NOTHING) for each in releases)) for quote_id, releases in quotes}


# --- what is taken out ------------------------------------------------------------------------------------------


def words_of(row: BuyerRow, attributes: Iterable[Mapping[str, str]]) -> re.Pattern[str] | None:
    """What was known of the person: the name and its parts, the e-mail, and what came with their orders and tells a person.

    A word counts as a whole only (`Ann` is not in `cannot`); Chinese has no such edges.
    """
    parts = row.name.split()
    latin = " ".join(filter(_is_latin, parts))
    known = {row.name, latin, row.email or "", *(part for part in parts if len(part) >= SHORTEST[_is_latin(part)])}
    known |= {str(value) for given in attributes for value in given.values() if _tells(str(value))}
    words = sorted((word.strip() for word in known if word.strip()), key=lambda word: (-len(word), word))
    if not words:
        return None
    return re.compile("|".join(_whole(word) for word in words), re.IGNORECASE)


def _is_latin(word: str) -> bool:
    return all(ord(letter) < 0x250 for letter in word)


def _tells(value: str) -> bool:
    """Whether a text that came with an order tells who or where: an address, a number; not a word such as `express`."""
    return len(value) >= 5 and (
        not value.isascii() or any(c in " @" for c in value) or sum(map(str.isdigit, value)) >= 5
    )


def _whole(word: str) -> str:
    before = f"(?<!{LETTER})" if _is_latin(word[0]) else ""
    after = f"(?!{LETTER})" if _is_latin(word[-1]) else ""
    return f"{before}{re.escape(word)}{after}"


def scrubbed_value(value: Any, words: re.Pattern[str] | None, keeps: frozenset[str] = NOTHING) -> Any:
    """The value without the person: their words out of every text, what came with an order emptied, no birthday, no tags."""
    if isinstance(value, str):
        return value if words is None else words.sub(GONE, value)
    if isinstance(value, list):
        return [scrubbed_value(part, words, keeps) for part in value]
    if not isinstance(value, dict):
        return value
    is_buyer, is_checkout = "tier" in value and "order_number" in value, "lines" in value and "buyer_id" in value
    cleaned: dict[str, Any] = {}
    for key, part in value.items():
        if key == "birthday" and key not in keeps:
            cleaned[key] = None
        elif is_buyer and key in ABOUT_A_BUYER and key not in keeps:
            cleaned[key] = []
        elif is_checkout and key == "attributes":
            cleaned[key] = {}
        elif is_buyer and key in keeps:
            cleaned[key] = part
        else:
            cleaned[key] = scrubbed_value(part, words, keeps)
    return cleaned
