"""What a refund takes off each line of an order: pure arithmetic over integers.

A line keeps, amount by amount, what was not refunded yet. Returning k more units after n moves `share(n + k) − share(n)`
of each amount, so any sequence of partial returns adds up to what was paid, line by line, tax rate by tax rate and
seller by seller. What a discount's loss makes a kept line cost more is taken off the refund, and never more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from capabilities.kernel.errors import InvalidError, RefusedError
from capabilities.kernel.money import share_minor, split_minor
from capabilities.transaction.after_sale import AfterReturn, Contract, RefundAdjustment, RefundLine

WHOLE_BPS = 10_000
GOODS = "goods"


class LineAmounts(Contract):
    """What a line brings, and what was taken off it: net of discounts, the tax of it, each rule's part."""

    net_minor: int = 0
    tax_minor: int = 0
    discount_minor: int = 0
    adjustments: tuple[RefundAdjustment, ...] = ()


class KeptLine(Contract):
    """A line of a sold order: as it was sold, and what of it is kept after the refunds so far."""

    line_id: str
    sku: str
    kind: str
    seller_id: str
    tax_rate_bps: int
    quantity: int
    refunded: int = 0
    sold: LineAmounts
    kept: LineAmounts

    @property
    def units(self) -> int:
        """Units that are not refunded."""
        return self.quantity - self.refunded


def refund_units(
    lines: Sequence[KeptLine],
    units: Mapping[str, int],
    *,
    prices_include_tax: bool,
    after_return: AfterReturn = "keep",
    repriced: Mapping[str, LineAmounts] | None = None,
) -> tuple[RefundLine, ...]:
    """What giving back these units takes off each line; lines that nothing happens to are left out.

    `repriced` is what the kept goods would cost alone (needed unless the policy is `keep`), by line.
    """
    _require_units(lines, units)
    after = [_after_units(line, units.get(line.line_id, 0)) for line in lines]
    if after_return != "keep":
        for place, line in enumerate(lines):
            if line.kind == GOODS and line.units > units.get(line.line_id, 0):
                found = (repriced or {}).get(line.line_id)
                if found is not None and after_return == "re_evaluate":
                    after[place] = found
                elif found is not None:
                    after[place] = _claw_back(line, after[place], found, prices_include_tax=prices_include_tax)
        after = _never_negative(lines, after, prices_include_tax=prices_include_tax)
    return _moves(lines, after, units, prices_include_tax=prices_include_tax)


def refund_amount(lines: Sequence[KeptLine], amount_minor: int, *, prices_include_tax: bool) -> tuple[RefundLine, ...]:
    """An amount without units (goodwill, a chargeback), spread over what the lines keep; never more than that."""
    weights = [_total(line.kept, prices_include_tax=prices_include_tax) for line in lines]
    if amount_minor <= 0:
        raise InvalidError("transaction.refund_empty", "A refund gives back more than nothing.", field="amount_minor")
    if amount_minor > sum(weights):
        raise refused_too_much(amount_minor, sum(weights))
    parts = split_minor(amount_minor, weights)
    after = [
        _less(line.kept, part, prices_include_tax=prices_include_tax) for line, part in zip(lines, parts, strict=True)
    ]
    return _moves(lines, after, {}, prices_include_tax=prices_include_tax)


def refused_too_much(asked_minor: int, left_minor: int) -> RefusedError:
    """Nobody gets back more than was paid."""
    return RefusedError(
        "transaction.refund_exceeded",
        "More cannot be given back than is left of what was paid.",
        mend="Ask for what is left, or less.",
        asked_minor=asked_minor,
        left_minor=left_minor,
    )


def kept_total(lines: Sequence[KeptLine], *, prices_include_tax: bool) -> int:
    """What the lines bring together: what could still be given back."""
    return sum(_total(line.kept, prices_include_tax=prices_include_tax) for line in lines)


def _require_units(lines: Sequence[KeptLine], units: Mapping[str, int]) -> None:
    known = {line.line_id: line for line in lines}
    unknown = sorted(set(units) - set(known))
    if unknown:
        raise InvalidError(
            "transaction.line_unknown", f"The order has no line {', '.join(unknown)}.", field="lines", lines=unknown
        )
    for line_id, asked in units.items():
        left = known[line_id].units
        if asked > left or asked < 0:
            raise RefusedError(
                "transaction.units_refunded",
                f"Of line {line_id} {asked} units were asked, {left} are not refunded yet.",
                mend="Ask for fewer units.",
                line_id=line_id,
                asked=asked,
                left=left,
            )


# --- one line ---------------------------------------------------------------------------------------------------


def _after_units(line: KeptLine, units: int) -> LineAmounts:
    if units == 0:
        return line.kept
    if units == line.units:
        return LineAmounts(adjustments=_each(line.kept.adjustments, lambda _: 0))
    sold = {_key(found): found.given_minor for found in line.sold.adjustments}

    def left(sold_minor: int, kept_minor: int) -> int:
        before = sold_minor - share_minor(sold_minor, line.quantity, line.refunded)
        if kept_minor == before:
            return sold_minor - share_minor(sold_minor, line.quantity, line.refunded + units)
        # goodwill or a lost discount moved the line meanwhile: what is kept is worth its own share
        return kept_minor - share_minor(kept_minor, line.units, units)

    return LineAmounts(
        net_minor=left(line.sold.net_minor, line.kept.net_minor),
        tax_minor=left(line.sold.tax_minor, line.kept.tax_minor),
        discount_minor=left(line.sold.discount_minor, line.kept.discount_minor),
        adjustments=_each(line.kept.adjustments, lambda found: left(sold.get(_key(found), 0), found.given_minor)),
    )


def _claw_back(line: KeptLine, after: LineAmounts, alone: LineAmounts, *, prices_include_tax: bool) -> LineAmounts:
    """Take back what rules gave that would give the kept goods nothing; what still holds stays as it was given."""
    holds = {found.rule_id for found in alone.adjustments if found.given_minor}
    lost = sum(found.given_minor for found in after.adjustments if found.rule_id not in holds)
    if lost <= 0:
        return after
    return LineAmounts(
        net_minor=after.net_minor + lost,
        tax_minor=after.tax_minor + _tax_on(lost, line.tax_rate_bps, prices_include_tax=prices_include_tax),
        discount_minor=after.discount_minor - lost,
        adjustments=_each(after.adjustments, lambda found: found.given_minor if found.rule_id in holds else 0),
    )


def _tax_on(net_minor: int, rate_bps: int, *, prices_include_tax: bool) -> int:
    """Tax on (or contained in) an amount at a rate, rounded half up."""
    whole = WHOLE_BPS + (rate_bps if prices_include_tax else 0)
    return (2 * net_minor * rate_bps + whole) // (2 * whole)


def _less(kept: LineAmounts, part: int, *, prices_include_tax: bool) -> LineAmounts:
    """What is left of a line when `part` of its total is given away; its discounts stay."""
    total = _total(kept, prices_include_tax=prices_include_tax)
    if part == 0:
        return kept
    if prices_include_tax:
        net, tax = part, share_minor(kept.tax_minor, total, part)
    else:
        net = share_minor(kept.net_minor, total, part)
        tax = part - net
    return kept.model_copy(update={"net_minor": kept.net_minor - net, "tax_minor": kept.tax_minor - tax})


# --- all lines --------------------------------------------------------------------------------------------------


def _never_negative(
    lines: Sequence[KeptLine], after: Sequence[LineAmounts], *, prices_include_tax: bool
) -> list[LineAmounts]:
    """Kept lines may cost more afterwards, together at most what the others give back: nobody pays to return."""
    moved = [
        _total(line.kept, prices_include_tax=prices_include_tax) - _total(left, prices_include_tax=prices_include_tax)
        for line, left in zip(lines, after, strict=True)
    ]
    if sum(moved) >= 0:
        return list(after)
    drops = sum(amount for amount in moved if amount > 0)
    rises = [max(0, -amount) for amount in moved]
    allowed = split_minor(drops, rises)
    return [
        left if not rise else _partly(line.kept, left, rise, part, prices_include_tax=prices_include_tax)
        for line, left, rise, part in zip(lines, after, rises, allowed, strict=True)
    ]


def _partly(kept: LineAmounts, after: LineAmounts, rise: int, part: int, *, prices_include_tax: bool) -> LineAmounts:
    """Go only `part` of the way from `kept` to `after`, which costs `rise` more."""

    def way(before: int, behind: int) -> int:
        gone = behind - before
        return before + (share_minor(gone, rise, part) if gone >= 0 else -share_minor(-gone, rise, part))

    net = way(kept.net_minor, after.net_minor)
    before = {_key(found): found.given_minor for found in kept.adjustments}
    return LineAmounts(
        net_minor=kept.net_minor + part if prices_include_tax else net,
        tax_minor=way(kept.tax_minor, after.tax_minor)
        if prices_include_tax
        else kept.tax_minor + part - (net - kept.net_minor),
        discount_minor=way(kept.discount_minor, after.discount_minor),
        adjustments=_each(after.adjustments, lambda found: way(before.get(_key(found), 0), found.given_minor)),
    )


def _moves(
    lines: Sequence[KeptLine], after: Sequence[LineAmounts], units: Mapping[str, int], *, prices_include_tax: bool
) -> tuple[RefundLine, ...]:
    """What each line gives: kept before − kept after."""
    moves = []
    for line, left in zip(lines, after, strict=True):
        asked = units.get(line.line_id, 0)
        if not asked and left == line.kept:
            continue
        net = line.kept.net_minor - left.net_minor
        tax = line.kept.tax_minor - left.tax_minor
        discount = line.kept.discount_minor - left.discount_minor
        moves.append(
            RefundLine(
                line_id=line.line_id,
                sku=line.sku,
                kind=line.kind,
                seller_id=line.seller_id,
                tax_rate_bps=line.tax_rate_bps,
                quantity=line.quantity,
                units_before=line.refunded,
                units=asked,
                gross_minor=net + discount,
                discount_minor=discount,
                net_minor=net,
                tax_minor=tax,
                total_minor=net if prices_include_tax else net + tax,
                kept_net_minor=left.net_minor,
                kept_tax_minor=left.tax_minor,
                adjustments=_difference(line.kept.adjustments, left.adjustments),
            )
        )
    return tuple(moves)


def _difference(before: Sequence[RefundAdjustment], behind: Sequence[RefundAdjustment]) -> tuple[RefundAdjustment, ...]:
    left = {_key(found): found for found in behind}
    known = {_key(found) for found in before}
    gone = [
        found.model_copy(
            update={"given_minor": found.given_minor - (left[_key(found)].given_minor if _key(found) in left else 0)}
        )
        for found in before
    ]
    new = [found.model_copy(update={"given_minor": -found.given_minor}) for found in behind if _key(found) not in known]
    return tuple(found for found in (*gone, *new) if found.given_minor)


def _total(amounts: LineAmounts, *, prices_include_tax: bool) -> int:
    return amounts.net_minor + (0 if prices_include_tax else amounts.tax_minor)


def _key(found: RefundAdjustment) -> tuple[str, str | None, int]:
    """A rule stays the same rule whichever release decided."""
    return (found.rule_id, found.coupon_code, found.effect_index)


def _each(
    adjustments: Sequence[RefundAdjustment], given: Callable[[RefundAdjustment], int]
) -> tuple[RefundAdjustment, ...]:
    return tuple(found.model_copy(update={"given_minor": given(found)}) for found in adjustments)
