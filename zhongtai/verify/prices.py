"""Invariant 16, for prices: none is negative, and what holds is what its history says. Invariant 40, for buyers' tiers."""

from __future__ import annotations

from zhongtai.verify.checking import Check, Statement

WRITTEN_DOWN = Statement(
    16,
    "Every price that holds stands last in its history, none is negative, and the lists can only be added to",
    "SELECT (SELECT count(*) FROM offer) + (SELECT count(*) FROM price_entry)",
    """
    SELECT 'offer ' || o.business || '/' || o.sku || ' asks ' || o.unit_price_minor || ', its history says '
        || coalesce(last.unit_price_minor::text, 'nothing')
    FROM offer o LEFT JOIN LATERAL (
        SELECT p.unit_price_minor, p.currency FROM offer_price p
        WHERE p.business = o.business AND p.sku = o.sku ORDER BY p.sequence DESC LIMIT 1
    ) AS last ON true
    WHERE o.unit_price_minor < 0
        OR (o.currency, o.unit_price_minor) IS DISTINCT FROM (last.currency, last.unit_price_minor)
    UNION ALL
    SELECT 'price list ' || l.business || '/' || l.code || ' gives ' || e.sku || ' from ' || e.from_quantity || ' at '
        || e.unit_price_minor || ', its history says ' || coalesce(last.unit_price_minor::text, 'nothing')
    FROM price_entry e JOIN price_list l ON l.id = e.list_id LEFT JOIN LATERAL (
        SELECT h.unit_price_minor, h.currency FROM price_change h
        WHERE h.business = e.business AND h.list_id = e.list_id AND h.sku = e.sku AND h.from_quantity = e.from_quantity
        ORDER BY h.sequence DESC LIMIT 1
    ) AS last ON true
    WHERE e.unit_price_minor < 0 OR last.currency IS DISTINCT FROM l.currency
        OR last.unit_price_minor IS DISTINCT FROM CASE WHEN l.is_active THEN e.unit_price_minor END
    UNION ALL
    SELECT 'history says ' || h.sku || ' is ' || h.unit_price_minor || ' in list ' || h.list_id || ', which has no such price'
    FROM (
        SELECT DISTINCT ON (business, list_id, sku, from_quantity) * FROM price_change
        ORDER BY business, list_id, sku, from_quantity, sequence DESC
    ) AS h
    WHERE h.unit_price_minor IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM price_entry e WHERE e.list_id = h.list_id AND e.sku = h.sku AND e.from_quantity = h.from_quantity)
    UNION ALL
    SELECT 'the trigger that guards ' || wanted.name || ' is off'
    FROM (VALUES ('price_change'), ('offer_price'), ('buyer_consent'), ('buyer_tier_change')) AS wanted (name)
    WHERE NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgname = wanted.name || '_is_append_only' AND t.tgenabled = 'O')
    """,
)

TOLD = Statement(
    40,
    "The tier of a buyer is the one told last, with who and why",
    "SELECT count(*) FROM buyer",
    """
    SELECT 'buyer ' || b.business || '/' || b.id || ' is ' || b.tier || ', told last was ' || last.to_tier
    FROM buyer b CROSS JOIN LATERAL (
        SELECT c.to_tier FROM buyer_tier_change c
        WHERE c.business = b.business AND c.buyer_id = b.id ORDER BY c.sequence DESC LIMIT 1
    ) AS last
    WHERE b.tier_source = 'rules' AND b.set_tier IS NULL AND b.tier <> last.to_tier
    UNION ALL
    SELECT 'a change of the tier of ' || c.buyer_id || ' names nobody' FROM buyer_tier_change c WHERE c.actor = ''
    UNION ALL
    SELECT 'buyer ' || b.business || '/' || b.id || ' was erased and still carries segments or tags'
    FROM buyer b WHERE b.status = 'erased' AND (b.segments <> '[]' OR b.tags <> '[]')
    """,
)

CHECKS: tuple[Check, ...] = (WRITTEN_DOWN, TOLD)
