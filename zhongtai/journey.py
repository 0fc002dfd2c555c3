"""`make journey`: a real grocer's year as a line of business, its past orders, and its baskets as checkouts over HTTP.

Loading is safe to repeat: what is there already is left alone. Driving uses the running product as any front-end does.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.business import Business
from capabilities.kernel.clock import now
from capabilities.kernel.database import transaction
from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.ids import new_id
from capabilities.kernel.money import Money
from capabilities.kernel.settings import Settings
from capabilities.transaction.contract import DeclareOffer, DeclareSeller
from capabilities.transaction.models import OfferRow, OrderRow, StockRow
from capabilities.transaction.service import declare_seller, import_orders
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
    checkout_of,
    offer_of,
    order_of,
    read_grocer,
)
from zhongtai.state import State
from zhongtai.terminal import Terminal

CLIENT = "journey"
IMPORT_AT_ONCE = 200
ROWS_AT_ONCE = 1_000
DECLINED_EVERY = 50
"""Every fiftieth buyer's card is declined: a shop without declines is not a shop."""


@dataclass(slots=True)
class Drive:
    """What became of the baskets that were driven."""

    seconds: float = 0.0
    waits_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    captured_minor: int = 0


def run_journey(
    settings: Settings, terminal: Terminal, *, baskets: int = 500, orders: int = 10_000, at_once: int = 16
) -> int:
    """Load, import, drive, verify; 1 when a basket found no answer or an invariant is broken."""
    api_url = _api_url(settings)
    with terminal.step(f"Read the grocer's first {orders + baskets:,} baskets"):
        grocer = read_grocer(orders + baskets)
    past, driven = grocer.baskets[:orders], grocer.baskets[orders : orders + baskets]
    _load(grocer, terminal)
    _import(past, terminal)
    for what, count in sorted(grocer.odd.items()):
        terminal.say(f"{count:,} {what}")
    with transaction() as session:
        imported = session.scalar(
            select(func.count()).where(OrderRow.business == BUSINESS, OrderRow.origin == "import")
        )
    terminal.say(f"{imported:,} past orders of {BUSINESS}.")
    drive = asyncio.run(_drive(driven, api_url, _key(), at_once, terminal))
    _report(drive, at_once, terminal)
    from zhongtai.verifying import run_verify  # imports every capability; only this last step needs them

    broken = run_verify(settings, terminal)
    lost = sum(count for status, count in drive.statuses.items() if status in {0, 500, 503})
    return 1 if broken or lost else 0


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


def _load(grocer: Grocer, terminal: Terminal) -> None:
    """Business, seller, offers with stock, and buyers, in bulk; what is there stays as it is."""
    numbers = sorted(grocer.skus_of(grocer.baskets))
    households = sorted({basket.household for basket in grocer.baskets})
    with transaction() as session:
        _enter_business(session)
    with _progress(terminal) as progress:
        task = progress.add_task("Offers", total=len(numbers))
        for some in _parts(numbers, ROWS_AT_ONCE):
            with transaction() as session:
                _enter_offers(session, [offer_of(grocer, number) for number in some])
            progress.advance(task, len(some))
        task = progress.add_task("Buyers", total=len(households))
        for some in _parts(households, ROWS_AT_ONCE):
            with transaction() as session:
                _enter_buyers(session, [buyer_of(grocer, household) for household in some])
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


def _enter_offers(session: Session, offers: list[DeclareOffer]) -> None:
    rows = [
        offer.model_dump(mode="json", exclude={"on_hand_units"}) | {"has_stock": offer.on_hand_units is not None}
        for offer in offers
    ]
    stock = [
        {"business": BUSINESS, "sku": offer.sku, "on_hand": offer.on_hand_units, "reserved": 0}
        for offer in offers
        if offer.on_hand_units is not None
    ]
    session.execute(insert(OfferRow).on_conflict_do_nothing(), rows)
    session.execute(insert(StockRow).on_conflict_do_nothing(), stock)


def _enter_buyers(session: Session, buyers: list[EnrolBuyer]) -> None:
    people = [
        buyer.model_dump(mode="json", exclude={"joined_at"})
        | {"status": BuyerStatus.ACTIVE.value, "order_count": 0, "joined_at": buyer.joined_at}
        for buyer in buyers
    ]
    session.execute(insert(BuyerRow).on_conflict_do_nothing(), people)


def _import(past: Sequence[Basket], terminal: Terminal) -> None:
    with _progress(terminal) as progress:
        task = progress.add_task("Past orders", total=len(past))
        for some in _parts(past, IMPORT_AT_ONCE):
            with transaction() as session:
                import_orders(session, [order_of(basket) for basket in some])
            progress.advance(task, len(some))


def _parts(rows: Sequence[Any], size: int) -> list[Any]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _progress(terminal: Terminal) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=terminal.console,
    )


# --- driving ----------------------------------------------------------------------------------------------------


async def _drive(driven: Sequence[Basket], api_url: str, key: str, at_once: int, terminal: Terminal) -> Drive:
    """Each basket once, so many at a time; every answer is counted."""
    drive = Drive()
    run = new_id("journey")
    waiting = iter(enumerate(driven))
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=api_url, headers=headers, limits=limits, timeout=30.0) as client:
        with _progress(terminal) as progress:
            task = progress.add_task("Checkouts", total=len(driven))

            async def buy() -> None:
                for number, basket in waiting:
                    method = "sim_declined" if number % DECLINED_EVERY == DECLINED_EVERY - 1 else "sim_ok"
                    await _buy(client, drive, f"{run}-{basket.id}", checkout_of(basket, method))
                    progress.advance(task)

            begun = time.perf_counter()
            await asyncio.gather(*(buy() for _ in range(at_once)))
            drive.seconds = time.perf_counter() - begun
    return drive


async def _buy(client: httpx.AsyncClient, drive: Drive, key: str, body: dict[str, Any]) -> None:
    begun = time.perf_counter()
    try:
        response = await client.post("/checkouts", json=body, headers={"idempotency-key": key})
    except httpx.HTTPError as away:
        drive.statuses[0] += 1
        drive.refusals[f"no answer ({type(away).__name__})"] += 1
        return
    drive.waits_ms.append((time.perf_counter() - begun) * 1000)
    drive.statuses[response.status_code] += 1
    answer = response.json()
    if response.status_code == 201:
        drive.captured_minor += answer["total_minor"]
    else:
        drive.refusals[str(answer.get("code") or answer.get("status"))] += 1


def _report(drive: Drive, at_once: int, terminal: Terminal) -> None:
    count = sum(drive.statuses.values())
    table = Table(box=None, show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_row("Checkouts", f"{count:,}, {at_once} at a time")
    table.add_row("Rate", f"{count / drive.seconds:,.1f} per second" if drive.seconds else "–")
    if len(drive.waits_ms) > 1:
        cuts = statistics.quantiles(drive.waits_ms, n=100, method="inclusive")
        table.add_row("p50, p99", f"{cuts[49]:,.0f} ms, {cuts[98]:,.0f} ms")
    table.add_row("Confirmed", f"{drive.statuses[201]:,}, {Money(drive.captured_minor, CURRENCY)}")
    table.add_row("Declined", f"{drive.statuses[402]:,}")
    refused = count - drive.statuses[201] - drive.statuses[402]
    table.add_row("Refused or unknown", f"{refused:,}")
    terminal.console.print(table)
    for reason, times in islice(drive.refusals.most_common(), 10):
        terminal.say(f"{times:,} × {reason}")
