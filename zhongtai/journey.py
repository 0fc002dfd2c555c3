"""`make journey`: a real grocer's year as a line of business, its past orders, and its baskets as checkouts over HTTP.

Its campaigns, coupons and reductions become rules of the platform (`journey_rules`); what they take off the driven baskets is
compared with what the grocer took off (`journey_comparing`). Loading is safe to repeat: what is there already is left
alone. Driving uses the running product as any front-end does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.business import Business
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.settings import Settings
from capabilities.transaction.contract import DeclareSeller
from capabilities.transaction.models import OrderRow
from capabilities.transaction.service import declare_new_offers, declare_seller, import_orders
from capabilities.user.contract import BuyerStatus, EnrolBuyer
from capabilities.user.models import BuyerRow
from web.api.keys import issue_key, keys_of, revoke_key
from zhongtai.grocer import (
    BUSINESS,
    CURRENCY,
    SELLER,
    ZONE,
    Basket,
    Grocer,
    buyer_of,
    offer_of,
    order_of,
    read_grocer,
)
from zhongtai.grocer_promotions import Promotions, read_promises, read_shelves
from zhongtai.journey_comparing import Comparison, compare
from zhongtai.journey_driving import drive_baskets, progress_on, report_comparison, report_drive
from zhongtai.journey_rules import code_of, enter_promises, enter_shelves, publish_rules, rules_of, segments_of
from zhongtai.state import State
from zhongtai.terminal import Terminal

CLIENT = "journey"
IMPORT_AT_ONCE = 200
ROWS_AT_ONCE = 1_000
RESULT = "journey.json"
"""In the state folder: the comparison, the same for the same baskets."""


def run_journey(
    settings: Settings, terminal: Terminal, *, baskets: int = 500, orders: int = 10_000, at_once: int = 16
) -> int:
    """Load, import, publish, drive, compare, verify; 1 when a basket found no answer or an invariant is broken."""
    api_url = _api_url(settings)
    read = _read(orders, baskets, terminal)
    _load(read.grocer, read.promotions, terminal)
    _import(read.grocer.baskets, terminal)
    for what, count in sorted(read.grocer.odd.items()):
        terminal.say(f"{count:,} {what}")
    with transaction() as session:
        imported = session.scalar(
            select(func.count()).where(OrderRow.business == BUSINESS, OrderRow.origin == "import")
        )
    terminal.say(f"{imported:,} past orders of {BUSINESS}.")
    rules = _promise(read, terminal)
    driven = read.grocer.driven
    codes = {basket.id: [code_of(key) for key in read.promotions.codes_of(basket)] for basket in driven}
    drive = asyncio.run(drive_baskets(driven, codes, api_url=api_url, key=_key(), at_once=at_once, terminal=terminal))
    report_drive(drive, at_once, terminal)
    comparison = compare(read.grocer, read.promotions, driven, drive.quotes)
    report_comparison(comparison, terminal)
    path = State(settings.state_folder).folder / RESULT
    _write(path, rules, codes, read, comparison)
    terminal.say(f"Every kind with examples stands in {path}.")
    from zhongtai.verifying import run_verify  # imports every capability; only this last step needs them

    broken = run_verify(settings, terminal)
    lost = sum(count for status, count in drive.statuses.items() if status in {0, 500, 503})
    return 1 if broken or lost else 0


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the grocer's year."""

    grocer: Grocer
    promotions: Promotions


def _read(orders: int, baskets: int, terminal: Terminal) -> Read:
    with terminal.step(f"Read the grocer's first {orders:,} baskets, and {baskets:,} to drive with what was promised"):
        promotions = read_promises()
        grocer = read_grocer(orders, baskets, wanted=lambda household, day: (household, day) in promotions.redeemed)
        promotions.shelves = read_shelves(grocer)
    return Read(grocer, promotions)


def _promise(read: Read, terminal: Terminal) -> int:
    """Campaigns, codes, price lists and rules; how many rules are in force."""
    promises = f"{len(read.promotions.campaigns)} campaigns and {len(read.promotions.coupons):,} codes"
    with terminal.step(promises), transaction() as session:
        enter_promises(session, read.promotions)
    with terminal.step(f"Price lists with {len(read.promotions.shelves):,} prices"), transaction() as session:
        enter_shelves(session, read.promotions)
    document = rules_of(read.grocer, read.promotions)
    with (
        terminal.step(f"{len(document.rules):,} rules tried, approved by another person, and published"),
        transaction() as session,
    ):
        done = publish_rules(session, document)
    if not done.is_new:
        terminal.say("They were in force already.")
    return done.rules


def _write(path: Path, rules: int, codes: dict[int, list[str]], read: Read, comparison: Comparison) -> None:
    body = {
        "rules": rules,
        "campaigns": len(read.promotions.campaigns),
        "coupons": len(read.promotions.coupons),
        "coupons_whose_worth_is_told": sum(coupon.seen > 0 for coupon in read.promotions.coupons.values()),
        "codes_used": sum(len(found) for found in codes.values()),
        **comparison.as_json(),
    }
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _api_url(settings: Settings) -> str:
    path = State(settings.state_folder).demo_file
    try:
        api_url = str(json.loads(path.read_text())["api_url"])
    except (OSError, ValueError, KeyError):
        raise _away(f"{path} is missing.") from None
    try:
        httpx.get(f"{api_url}/openapi.json", timeout=30)
    except httpx.HTTPError:
        raise _away(f"Nobody answers at {api_url}.") from None
    return api_url


def _away(reason: str) -> UnavailableError:
    return UnavailableError(
        "journey.product_away", f"The product does not run here: {reason}", mend="Run `make start` first."
    )


def _key() -> str:
    """A fresh key of the journey's own client; the one before is revoked."""
    with transaction() as session:
        for old in keys_of(session, BUSINESS, CLIENT):
            if old.revoked_at is None:
                revoke_key(session, old.id)
        return issue_key(session, BUSINESS, CLIENT, requests_per_minute=600_000)


# --- loading ----------------------------------------------------------------------------------------------------


def _load(grocer: Grocer, promotions: Promotions, terminal: Terminal) -> None:
    """Business, seller, offers with stock, and buyers, in bulk; what is there stays, but for the segments of buyers."""
    baskets = [*grocer.baskets, *grocer.driven]
    numbers = sorted(grocer.skus_of(baskets))
    households = sorted({basket.household for basket in baskets})
    with transaction() as session:
        _enter_business(session)
    with progress_on(terminal) as progress:
        task = progress.add_task("Offers", total=len(numbers))
        for some in _parts(numbers, ROWS_AT_ONCE):
            with transaction() as session:
                declare_new_offers(session, [offer_of(grocer, number) for number in some])
            progress.advance(task, len(some))
        task = progress.add_task("Buyers", total=len(households))
        for some in _parts(households, ROWS_AT_ONCE):
            with transaction() as session:
                _enter_buyers(session, [buyer_of(grocer, one, segments_of(promotions, one)) for one in some])
            progress.advance(task, len(some))


def _enter_business(session: Session) -> None:
    about = {
        "business": BUSINESS,
        "name_en": "The grocer",
        "name_zh": "杂货店",
        "currency": CURRENCY,
        "country": "US",
        "time_zone": ZONE.key,
        "locale": "en_US",
        "prices_include_tax": False,
        "created_at": now(),
    }
    session.execute(insert(Business).values(about).on_conflict_do_nothing())
    declare_seller(session, DeclareSeller(business=BUSINESS, id=SELLER, name_en="The grocer", name_zh="杂货店"))


def _enter_buyers(session: Session, buyers: list[EnrolBuyer]) -> None:
    people = [
        buyer.model_dump(mode="json", exclude={"joined_at"})
        | {"status": BuyerStatus.ACTIVE.value, "order_count": 0, "joined_at": buyer.joined_at}
        for buyer in buyers
    ]
    entered = insert(BuyerRow)
    carried = entered.excluded.segments
    session.execute(
        entered.on_conflict_do_update(
            index_elements=["business", "id"],
            set_={"segments": carried},
            where=(BuyerRow.segments != carried) & (BuyerRow.status != BuyerStatus.ERASED.value),
        ),
        people,
    )


def _import(past: Sequence[Basket], terminal: Terminal) -> None:
    with progress_on(terminal) as progress:
        task = progress.add_task("Past orders", total=len(past))
        for some in _parts(past, IMPORT_AT_ONCE):
            with transaction() as session:
                import_orders(session, [order_of(basket) for basket in some])
            progress.advance(task, len(some))


def _parts(rows: Sequence[Any], size: int) -> list[Any]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
