"""Which counter of a limit counts for an occasion, and what an order takes of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from capabilities.kernel.ids import derived_id
from capabilities.marketing.limits import Bearing, Counter, Limit, LimitUse, Occasion
from capabilities.marketing.periods import period_key


def counter_of(bearing: Bearing, occasion: Occasion, rule_id: str) -> Counter:
    """The counter that counts a rule of this limit on this occasion."""
    limit = bearing.limit
    parts: list[str] = []
    is_barred = limit.currency is not None and limit.counts == "spend" and limit.currency != occasion.currency
    if limit.counts == "spend":
        parts.append(f"currency={limit.currency or occasion.currency}")
    if "buyer" in limit.per:
        parts.append(f"buyer={occasion.buyer_id or ''}")
        is_barred = is_barred or occasion.buyer_id is None
    if "code" in limit.per:
        parts.append(f"code={occasion.codes.get(rule_id, '')}")
    if "store" in limit.per:
        parts.append(f"store={occasion.store}")
    if limit.period is not None:
        parts.append(period_key(limit.period, occasion.at, limit.zone or occasion.time_zone))
    key = " ".join(parts)
    return Counter(
        id=derived_id("lmc", occasion.business, limit.owner, shape_of(limit), key),
        owner=limit.owner,
        counts=limit.counts,
        most=limit.most,
        key=key,
        name=limit.name,
        partial=limit.partial,
        rule_ids=bearing.rule_ids,
        is_barred=is_barred,
        budget_id=limit.budget_id,
    )


def shape_of(limit: Limit) -> str:
    """What makes a limit the same one when its size changes: what it counts, for whom, in which periods."""
    return "/".join(
        (limit.budget_id or "", limit.counts, ",".join(sorted(limit.per)), limit.period or "", limit.zone or "")
    )


def counters_of(bearings: Sequence[Bearing], occasion: Occasion) -> tuple[Counter, ...]:
    """Every counter that these limits have for the occasion, each once, with the rules that draw on it, by id."""
    found: dict[str, Counter] = {}
    for bearing in bearings:
        for rule_id in bearing.rule_ids:
            counter = counter_of(bearing, occasion, rule_id)
            before = found.get(counter.id)
            rules = (rule_id,) if before is None else (*before.rule_ids, rule_id)
            found[counter.id] = counter.model_copy(update={"rule_ids": tuple(dict.fromkeys(rules))})
    return tuple(found[counter_id] for counter_id in sorted(found))


def uses_of(counters: Sequence[Counter], given: Mapping[str, int]) -> tuple[LimitUse, ...]:
    """What an order takes: of a counter of uses one, however many rules or lines; of a budget what they gave.

    `given` is what each rule that applied gave, by rule id. Rules that gave no money draw nothing from a budget.
    """
    found = []
    for counter in counters:
        parts = {rule_id: given[rule_id] for rule_id in counter.rule_ids if rule_id in given}
        amount = 1 if counter.counts == "uses" else sum(parts.values())
        if parts and amount > 0:
            found.append(LimitUse(counter=counter, amount=amount, parts=parts))
    return tuple(found)
