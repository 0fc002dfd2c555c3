"""Sets of units over 1,000 lines: what a quote costs for 6, 60 and 6,000 pieces a line, which are never taken apart.

    python -m bench.sets [--write] [--rounds 5]

Medians of processor time. `--write` puts the table into `bench/README.md`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

from capabilities.marketing.contract import Bundle, BundlePart, BuyGet, Cart, CartLine, FiredRule
from capabilities.marketing.pricing import apply_stage, begin, finish

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- sets: begin -->", "<!-- sets: end -->"
AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
LINES = 1_000
PIECES = (6, 60, 6_000)
EFFECTS: dict[str, BuyGet | Bundle] = {
    "three for two, the cheapest free": BuyGet(buy_units=2, get_units=1, rate_bps=10_000),
    "spend 100.00, get three at 1.00": BuyGet(buy_minor=100_00, get_units=3, price_minor=1_00),
    "three for 20.00": Bundle(parts=(BundlePart(units=3),), price_minor=20_00),
}


def cart_of(pieces: int) -> Cart:
    """A thousand lines of as many prices."""
    lines = tuple(
        CartLine(id=f"l{n}", sku=f"s{n}", quantity=pieces, unit_price_minor=5_00 + n) for n in range(1, LINES + 1)
    )
    return Cart(business="bench", currency="EUR", at=AT, lines=lines)


def milliseconds(cart: Cart, effect: BuyGet | Bundle | None, rounds: int) -> float:
    """The median of pricing the cart, from the cart to the quote with its hash."""
    rules = [] if effect is None else [FiredRule(rule_id="r", name="r", position=0, effects=(effect,))]
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        finish(apply_stage(begin(cart), 30, rules), quote_id="q", created_at=AT, expires_at=AT)
        taken.append((time.process_time() - started) * 1_000)
    return statistics.median(taken)


def table(rounds: int) -> str:
    """What was measured, as text."""
    carts = {pieces: cart_of(pieces) for pieces in PIECES}
    rows = {name: [milliseconds(carts[p], effect, rounds) for p in PIECES] for name, effect in EFFECTS.items()}
    rows["no rule"] = [milliseconds(carts[p], None, rounds) for p in PIECES]
    heads = "".join(f" {pieces:,} pieces a line (ms) |" for pieces in PIECES)
    where = f"Python {platform.python_version()}; {platform.machine()}, {os.cpu_count()} processors"
    said = [
        f"{datetime.now(UTC):%Y-%m-%d}, {where}, load {os.getloadavg()[0]:.1f}. Median of {rounds} rounds.",
        "",
        f"| {LINES:,} lines |{heads}",
        f"|---|{'--:|' * len(PIECES)}",
        *(f"| {name} |{''.join(f' {one:.0f} |' for one in found)}" for name, found in rows.items()),
    ]
    return "\n".join(said)


def main() -> None:
    """Measure, print, and write where asked."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--write", action="store_true")
    asked.add_argument("--rounds", type=int, default=5)
    given = asked.parse_args()
    found = table(given.rounds)
    print(found)
    if given.write:
        text = README.read_text()
        start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        README.write_text(f"{text[:start]}\n{found}\n{text[end:]}")


if __name__ == "__main__":
    main()
