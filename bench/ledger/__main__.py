"""Transfers a second of the ledger, beside plain SQL inserts of the same rows: `python -m bench.ledger [--write]`.

The ledger posts linked sets through `post_transfers`, a commit a set, on a PostgreSQL of its own with fsync. Plain inserts
write the same transfers and entries, as many rows and one commit a set, into copies of the tables with the same indexes,
by psycopg's arrays; they keep no balances, check nothing and know no idempotency. A hot account is one that every set
moves: with slots, and with all of it in one row.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from capabilities.account import writing
from capabilities.account.contract import AccountKind, AccountRef, Origin, TransferRequest
from capabilities.account.service import post_transfers
from capabilities.kernel.database import make_engine, normalized_url
from zhongtai.migrate import migrate
from zhongtai.postgres import start_postgres

ROUNDS = 5
ROUND_S = 1.5
AT_ONCE = (1, 8, 32)
SIZES = (1, 6)
"""Transfers of a set: a payment, and the sharing out of a sale."""
ORIGIN = Origin(actor="bench", correlation_id="bench")
README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- ledger: figures -->", "<!-- /ledger: figures -->"

NUMBERS = count()
COPIES = """
DROP TABLE IF EXISTS plain_transfer, plain_entry;
CREATE TABLE plain_transfer (LIKE ledger_transfer INCLUDING ALL);
CREATE TABLE plain_entry (LIKE ledger_entry INCLUDING ALL);
"""
TRANSFERS = text("""
INSERT INTO plain_transfer (id, linked_id, business, phase, debit_account_id, credit_account_id, currency, amount_minor,
    subject, reason, actor, correlation_id, body_sha256, created_at)
SELECT id, :linked_id, 'bench', 'single', 'acc_debit', 'acc_credit', 'CNY', 5, :subject, 'bench', 'bench', 'bench',
    repeat('0', 64), :moment FROM unnest(CAST(:ids AS varchar[])) AS id
""")
ENTRIES = text("""
INSERT INTO plain_entry (transfer_id, layer, side, account_id, amount_minor, currency, business, created_at)
SELECT id, 'posted', side, 'acc_' || side, 5, 'CNY', 'bench', :moment
FROM unnest(CAST(:ids AS varchar[])) AS id, (VALUES ('debit'), ('credit')) AS sides (side)
""")


@dataclass(frozen=True)
class Way:
    """Something that makes a set a call, and how it is called in the table."""

    name: str
    make: Callable[[Session, int, int], None]
    slots: int = 16


def own_accounts(session: Session, size: int, number: int) -> None:
    """A set between accounts that few others move: eight hundred sellers."""
    _post(session, size, number, f"s{number % 800}")


def hot_accounts(session: Session, size: int, number: int) -> None:
    """A set on two accounts that everybody moves."""
    _post(session, size, number, "")


def plain_inserts(session: Session, size: int, number: int) -> None:
    """The rows of a set, and nothing else."""
    values = {
        "ids": [f"p{number}-{one}" for one in range(size)],
        "linked_id": f"l{number}",
        "subject": f"o{number}",
        "moment": dt.datetime.now(dt.UTC),
    }
    session.execute(TRANSFERS, values)
    session.execute(ENTRIES, values)


WAYS = (
    Way("ledger", own_accounts),
    Way("ledger, hot accounts in slots", hot_accounts),
    Way("ledger, hot accounts in one row", hot_accounts, slots=1),
    Way("plain inserts", plain_inserts),
)


def _post(session: Session, size: int, number: int, party: str) -> None:
    bank = AccountRef(business="bench", kind=AccountKind.BANK, party=party, currency="CNY")
    sellers = AccountRef(business="bench", kind=AccountKind.SELLER_PAYABLE, party=party, currency="CNY")
    about = {"amount_minor": 5, "subject": f"o{number}", "reason": "bench"}
    requests = [TransferRequest(id=f"b{number}-{one}", debit=bank, credit=sellers, **about) for one in range(size)]
    post_transfers(session, requests, origin=ORIGIN)


def rate(engine: Engine, way: Way, size: int, at_once: int, seconds: float) -> float:
    """Transfers a second."""
    vars(writing)["SLOTS"] = way.slots
    end = time.perf_counter() + seconds

    def work(_: int) -> int:
        made = 0
        while time.perf_counter() < end:
            with Session(engine) as session, session.begin():
                way.make(session, size, next(NUMBERS))
            made += size
        return made

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        made = sum(pool.map(work, range(at_once)))
    return made / (time.perf_counter() - began)


def statements(engine: Engine, way: Way) -> int:
    """Statements of a set whose accounts are open, begin and commit left out."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    with Session(engine) as session, session.begin():
        way.make(session, 1, next(NUMBERS))
        event.listen(engine, "before_cursor_execute", note)
        way.make(session, 1, next(NUMBERS))
        event.remove(engine, "before_cursor_execute", note)
    return len(seen)


def measure(engine: Engine) -> str:
    """The section's figures, as text."""
    with engine.begin() as connection:
        connection.execute(text(COPIES))
    for way in WAYS:
        rate(engine, way, 1, 8, 0.5)
    rates: dict[tuple[str, int, int], list[float]] = {}
    for _ in range(ROUNDS):
        for size in SIZES:
            for at_once in AT_ONCE:
                for way in WAYS:
                    found = rate(engine, way, size, at_once, ROUND_S)
                    rates.setdefault((way.name, size, at_once), []).append(found)
    sent = ", ".join(f"{way.name} {statements(engine, way)}" for way in (WAYS[0], WAYS[-1]))
    rows = [
        "| | " + " | ".join(f"{size} a set, {at_once} at a time" for size in SIZES for at_once in AT_ONCE) + " |",
        "|---|" + "--:|" * len(SIZES) * len(AT_ONCE),
    ]
    medians = {key: statistics.median(values) for key, values in rates.items()}
    for way in WAYS:
        cells = [f"{medians[way.name, size, at_once]:,.0f}" for size in SIZES for at_once in AT_ONCE]
        rows.append(f"| {way.name} | " + " | ".join(cells) + " |")
    ratios = [
        statistics.median(
            ours / theirs
            for ours, theirs in zip(rates[WAYS[0].name, size, n], rates[WAYS[-1].name, size, n], strict=True)
        )
        for size in SIZES
        for n in AT_ONCE
    ]
    rows.append("| ledger to plain inserts | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    return "\n".join([*_head(), "", *rows, "", f"Statements a set: {sent}."])


def _head() -> list[str]:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in ("SQLAlchemy", "psycopg"))
    machine = f"{os.cpu_count()} cores · Python {platform.python_version()}, {versions}"
    return [
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC · {machine} · load averages at the end: {load}",
        "",
        f"Transfers a second, medians of {ROUNDS} interleaved rounds of {ROUND_S} s; threads of one process.",
    ]


def write_section(figures: str) -> None:
    """Put the figures between the markers of this section, or at the end where there are none yet; the rest stays."""
    before = README.read_text(encoding="utf-8")
    if BEGIN not in before:
        about = (__doc__ or "").split("\n\n", 1)[1].strip()
        head = f"\n<!-- ledger -->\n## Ledger\n\n`python -m bench.ledger --write`. {about}\n\n"
        before += f"{head}{BEGIN}\n{END}\n<!-- /ledger -->\n"
    head, _, rest = before.partition(BEGIN)
    README.write_text(f"{head}{BEGIN}\n{figures}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    """Measure; with `--write` the table goes into the README."""
    with tempfile.TemporaryDirectory(prefix="zhongtai-bench-") as folder:
        server = normalized_url(start_postgres(Path(folder) / "postgres", outlive=False))
        migrate(server)
        engine = make_engine(server, pool_size=32)
        figures = measure(engine)
        engine.dispose()
    print(figures)
    if "--write" in sys.argv:
        write_section(figures)


if __name__ == "__main__":
    main()
