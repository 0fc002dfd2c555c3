"""Invariants 15 and 23 to 25: gifts and surcharges, units of sets, and that neither order nor idle rules matter.

Quotes are priced again for 24 and 25, so the latest ones are taken, and no more than `SAMPLE`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.explaining import quote_again
from capabilities.kernel.errors import PlatformError
from capabilities.marketing.contract import Cart, Quote
from capabilities.marketing.pricing import KNOWN_ALGORITHMS
from capabilities.marketing.queries import quote_of
from rules.queries import release_to_decide
from zhongtai.verify.checking import Check, Examination, Statement

SAMPLE = 100
QUOTES = "SELECT count(*) FROM quote"
QUOTE_LINES = "quote q CROSS JOIN LATERAL jsonb_array_elements(q.body -> 'lines') AS l"

ADDED = Statement(
    15,
    "A gift costs nothing, a surcharge is a rule's, and a quote is the sum of its lines",
    QUOTES,
    f"""
    SELECT 'quote ' || q.id || ': the gift ' || (l ->> 'sku') || ' costs ' || (l ->> 'net_minor')
    FROM {QUOTE_LINES}
    WHERE coalesce((l ->> 'is_gift')::boolean, false) AND (l ->> 'net_minor')::bigint <> 0
    UNION ALL
    SELECT 'quote ' || q.id || ': nobody asked for the surcharge ' || (l ->> 'id')
    FROM {QUOTE_LINES}
    WHERE l ->> 'kind' = 'fee' AND NOT EXISTS (
        SELECT 1 FROM jsonb_array_elements(q.body -> 'outcomes') AS u
        WHERE u ->> 'rule_id' = l ->> 'fee_rule_id' AND u ->> 'outcome' IN ('applied', 'capped'))
    UNION ALL
    SELECT 'quote ' || q.id || ' says ' || q.total_minor || ', its lines ' || s.total
    FROM quote q CROSS JOIN LATERAL (
        SELECT coalesce(sum((l ->> 'total_minor')::bigint), 0) AS total,
               coalesce(sum((l ->> 'gross_minor')::bigint) FILTER (WHERE l ->> 'kind' = 'goods'), 0) AS goods,
               coalesce(sum((l ->> 'gross_minor')::bigint) FILTER (WHERE l ->> 'kind' = 'fee'), 0) AS fee
        FROM jsonb_array_elements(q.body -> 'lines') AS l
    ) AS s
    WHERE s.total <> q.total_minor OR s.goods <> (q.body ->> 'goods_gross_minor')::bigint
        OR s.fee <> coalesce((q.body ->> 'fee_minor')::bigint, 0)
    """,  # noqa: S608 - all of it is ours
)

ONCE = Statement(
    23,
    "A unit that earned a set does not get one, none counts twice, and what excludes all others stands alone",
    QUOTES,
    f"""
    SELECT 'quote ' || q.id || ' line ' || (l ->> 'id') || ': sets gave to ' || got.units || ' of '
        || coalesce(l ->> 'set_units', '0') || ' units they used, of ' || (l ->> 'quantity')
    FROM {QUOTE_LINES} CROSS JOIN LATERAL (
        SELECT coalesce(sum((a ->> 'units')::bigint), 0) AS units
        FROM jsonb_array_elements(l -> 'adjustments') AS a WHERE a ->> 'effect' IN ('buy_get', 'bundle')
    ) AS got
    WHERE got.units > coalesce((l ->> 'set_units')::bigint, 0)
        OR coalesce((l ->> 'set_units')::bigint, 0) > (l ->> 'quantity')::bigint
    UNION ALL
    SELECT 'quote ' || q.id || ': ' || (u ->> 'rule_name') || ' excludes all others, and ' || (v ->> 'rule_name')
        || ' gave as well'
    FROM quote q CROSS JOIN LATERAL jsonb_array_elements(q.body -> 'outcomes') AS u
    CROSS JOIN LATERAL jsonb_array_elements(q.body -> 'outcomes') AS v
    JOIN (
        SELECT r.release_id, d ->> 'id' AS rule_id
        FROM rule_release r CROSS JOIN LATERAL jsonb_array_elements(r.document -> 'rules') AS d
        WHERE d ->> 'exclusive' = 'order' OFFSET 0
    ) AS e ON e.release_id = u ->> 'release_id' AND e.rule_id = u ->> 'rule_id'
    WHERE u ->> 'rule_id' <> v ->> 'rule_id'
        AND u ->> 'outcome' IN ('applied', 'capped') AND v ->> 'outcome' IN ('applied', 'capped')
        AND (u ->> 'given_minor')::bigint > 0 AND (v ->> 'given_minor')::bigint > 0
    """,  # noqa: S608 - all of it is ours
)


def _latest(session: Session) -> Iterator[Quote]:
    ids = session.scalars(text("SELECT id FROM quote ORDER BY created_at DESC, id LIMIT :most"), {"most": SAMPLE}).all()
    for quote_id in ids:
        yield quote_of(session, quote_id)


def _each(session: Session, told: Callable[[Session, Quote], str | None]) -> Iterator[str | None]:
    for quote in _latest(session):
        if quote.algorithm not in KNOWN_ALGORITHMS:
            yield f"quote {quote.id} was computed by {quote.algorithm}, which nobody knows"
            continue
        try:
            yield told(session, quote)
        except PlatformError as error:
            yield f"quote {quote.id} cannot be priced again: {error.message}"


def _shuffled(session: Session) -> Iterator[str | None]:
    def told(session: Session, quote: Quote) -> str | None:
        chance = random.Random(quote.id)  # noqa: S311 - the same for the same quote

        def shuffle(cart: Cart) -> Cart:
            lines = list(cart.lines)
            chance.shuffle(lines)
            return cart.model_copy(update={"lines": tuple(lines)})

        again = quote_again(session, quote, with_cart=shuffle)
        if again.content_sha256 == quote.content_sha256:
            return None
        return f"quote {quote.id} comes out otherwise when its lines are stored in another order"

    return _each(session, told)


def _without_idle_rules(session: Session) -> Iterator[str | None]:
    def told(session: Session, quote: Quote) -> str | None:
        acted = {outcome.rule_id for outcome in quote.outcomes}
        rules = {rule.id for one in quote.release_ids for rule in release_to_decide(session, one).document.rules}
        again = quote_again(session, quote, without=rules - acted)
        amounts = [(line.id, line.net_minor, line.tax_minor) for line in quote.lines]
        if [(line.id, line.net_minor, line.tax_minor) for line in again.lines] == amounts:
            return None
        return f"quote {quote.id} comes out otherwise without the rules that did not hold"

    return _each(session, told)


CHECKS: tuple[Check, ...] = (
    ADDED,
    ONCE,
    Examination(24, f"Stored in another order, the latest {SAMPLE} quotes are the same", _shuffled),
    Examination(25, f"Rules that did not hold change nothing in the latest {SAMPLE} quotes", _without_idle_rules),
)
