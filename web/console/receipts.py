"""The receipt: what each line cost and why, and for every rule what became of it. For orders and for trials alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from capabilities.kernel.decision import FieldKind
from capabilities.kernel.expression import Operator, Test
from capabilities.marketing.contract import Adjustment, CouponUse, FailedTest, Quote, QuoteLine, RuleVerdict
from rules.document import Rule
from web.console.formats import money
from web.console.rule_differences import lines_of
from web.console.rule_words import Wording
from web.console.texts import N_

GIVING = ("applied", "capped")
ALMOST = ("not_matched", "outside_window", "no_coupon", "outside_traffic", "disabled")

CAPS = {
    "max": N_("held back by its own limit"),
    "floor": N_("held back by the floor price"),
    "price": N_("held back: no price is left to take it from"),
    "line": N_("held back by its limit for a line"),
    "unit": N_("held back by its limit for a piece"),
    "budget": N_("held back by its budget"),
}


@dataclass(frozen=True, slots=True)
class AdjustmentView:
    """What one rule took off one line."""

    name: str
    rule_href: str | None
    given_minor: int
    wished_minor: int
    capped: str
    coupon: str | None
    effect: str


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of the receipt."""

    name: str
    sku: str
    is_delivery: bool
    quantity: int
    unit_price_minor: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    tax_rate_bps: int
    tax_minor: int
    total_minor: int
    adjustments: tuple[AdjustmentView, ...]


@dataclass(frozen=True, slots=True)
class VerdictView:
    """What became of one rule, and why."""

    rule_id: str
    name: str
    href: str | None
    outcome: str
    given_minor: int
    wished_minor: int
    why: str
    missing: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A quote as a page shows it: lines, totals, coupons, verdicts by their kind."""

    currency: str
    prices_include_tax: bool
    lines: tuple[LineView, ...]
    goods_gross_minor: int
    discount_minor: int
    delivery_minor: int
    tax_minor: int
    total_minor: int
    coupons: tuple[CouponUse, ...]
    gave: tuple[VerdictView, ...]
    almost: tuple[VerdictView, ...]
    others: tuple[VerdictView, ...]


@dataclass(frozen=True)
class Told:
    """A release as a receipt refers to it: its rules in words, and where its page is."""

    rules: Mapping[str, Rule]
    href: str | None
    number: int | None = None

    def rule_href(self, rule_id: str) -> str | None:
        return f"{self.href}#r-{rule_id}" if self.href and rule_id in self.rules else None


def receipt(
    quote: Quote,
    verdicts: Sequence[RuleVerdict],
    names: Mapping[str, str],
    told: Mapping[str, Told],
    wording: Wording,
) -> Receipt:
    """`names` by sku, `told` by release id."""
    told = {release_id: _as_taken(one, quote) for release_id, one in told.items()}
    ordered = sorted(verdicts, key=_how_far)
    views = [_verdict(verdict, told.get(verdict.release_id), wording) for verdict in ordered]
    almost = [view for view in views if view.outcome in ALMOST and view.missing]
    return Receipt(
        currency=quote.currency,
        prices_include_tax=quote.prices_include_tax,
        lines=tuple(_line(line, names, told, wording) for line in quote.lines),
        goods_gross_minor=quote.goods_gross_minor,
        discount_minor=quote.discount_minor,
        delivery_minor=quote.delivery_minor,
        tax_minor=quote.tax_minor,
        total_minor=quote.total_minor,
        coupons=quote.coupons,
        gave=tuple(view for view in views if view.outcome in GIVING),
        almost=tuple(almost),
        others=tuple(view for view in views if view.outcome not in GIVING and view not in almost),
    )


def _as_taken(told: Told, quote: Quote) -> Told:
    """Rules with the effects they had: those for the other case, where their condition did not hold."""
    turned = {outcome.rule_id for outcome in quote.outcomes if outcome.is_otherwise}
    rules = {
        rule_id: replace(rule, effects=rule.otherwise) if rule_id in turned else rule
        for rule_id, rule in told.rules.items()
    }
    return replace(told, rules=rules) if turned else told


def _how_far(verdict: RuleVerdict) -> tuple[bool, int]:
    """Rules that missed by an amount first, the nearest on top; the others in their own order."""
    difference = verdict.failed.difference if verdict.failed else None
    return difference is None, abs(difference or 0)


def _line(line: QuoteLine, names: Mapping[str, str], told: Mapping[str, Told], wording: Wording) -> LineView:
    return LineView(
        name=_line_name(line, names, told, wording),
        sku=line.sku,
        is_delivery=line.kind == "delivery",
        quantity=line.quantity,
        unit_price_minor=line.unit_price_minor,
        gross_minor=line.gross_minor,
        discount_minor=line.discount_minor,
        net_minor=line.net_minor,
        tax_rate_bps=line.tax_rate_bps,
        tax_minor=line.tax_minor,
        total_minor=line.total_minor,
        adjustments=tuple(_adjustment(one, told.get(one.release_id), wording) for one in line.adjustments),
    )


def _line_name(line: QuoteLine, names: Mapping[str, str], told: Mapping[str, Told], wording: Wording) -> str:
    """A line by its offer; a surcharge by the rule that asks for it, a gift as one."""
    name = names.get(line.sku, line.sku)
    if line.kind == "fee":
        rules = (one.rules.get(line.fee_rule_id or "") for one in told.values())
        asked = next((rule.name for rule in rules if rule is not None), line.sku)
        return wording.text(N_("surcharge: %(name)s"), name=asked)
    return wording.text(N_("gift: %(name)s"), name=name) if line.is_gift else name


def _adjustment(one: Adjustment, told: Told | None, wording: Wording) -> AdjustmentView:
    rule = told.rules.get(one.rule_id) if told else None
    known = rule is not None and one.effect_index < len(rule.effects)
    return AdjustmentView(
        name=one.rule_name,
        rule_href=told.rule_href(one.rule_id) if told else None,
        given_minor=one.given_minor,
        wished_minor=one.wished_minor,
        capped=wording.text(CAPS[one.capped_by]) if one.capped_by in CAPS else "",
        coupon=one.coupon_code,
        effect=wording.effect(rule.effects[one.effect_index]) if rule is not None and known else "",
    )


def _verdict(verdict: RuleVerdict, told: Told | None, wording: Wording) -> VerdictView:
    rule = told.rules.get(verdict.rule_id) if told else None
    why, missing = _why(verdict, rule, wording)
    return VerdictView(
        rule_id=verdict.rule_id,
        name=verdict.rule_name,
        href=told.rule_href(verdict.rule_id) if told else None,
        outcome=verdict.outcome,
        given_minor=verdict.given_minor,
        wished_minor=verdict.wished_minor,
        why=why,
        missing=missing,
        sentence=sentence(rule, wording) if rule else "",
    )


def _why(verdict: RuleVerdict, rule: Rule | None, wording: Wording) -> tuple[str, str]:
    """The reason, and where it helps what it would have needed."""
    if verdict.outcome == "not_matched" and verdict.failed is not None:
        return failed_text(verdict.failed, verdict.grain, wording)
    if verdict.outcome in ("excluded", "lost_in_group"):
        by = verdict.by_rule_name or verdict.by_rule_id or ""
        if verdict.outcome == "excluded":
            return wording.text(N_("excluded by %(name)s"), name=by), ""
        worth = money(verdict.given_minor, wording.currency)
        return wording.text(N_("beaten by %(name)s; would have given %(worth)s"), name=by, worth=worth), ""
    if verdict.outcome == "outside_window" and rule is not None:
        said = wording.window(rule.window)
        return wording.text(N_("in force only %(window)s"), window=said), said
    if verdict.outcome == "no_coupon":
        code = verdict.coupon_code or ""
        return wording.text(N_("needs the coupon %(code)s"), code=code), code
    return "", ""


def failed_text(failed: FailedTest, grain: str, wording: Wording) -> tuple[str, str]:
    """What the first failing test saw, and what it would have needed."""
    field = wording.field(grain, failed.field)
    name = wording.field_name(grain, failed.field)
    if field is None:
        return name, ""
    if failed.seen is None:
        seen = wording.text(N_("not known"))
    else:
        seen = wording.value(field.kind, field.word, failed.seen) or wording.text(N_("nothing"))
    if failed.op.startswith("not_") and failed.op not in Operator.__members__.values():
        return wording.text(N_("%(name)s was %(seen)s, which this rule leaves out"), name=name, seen=seen), ""
    test = Test(failed.field, Operator(failed.op), failed.wanted)
    wanted = f"{wording.operator(field.kind, test.op)} {wording.test_value(grain, test)}".strip()
    why = wording.text(
        N_("%(name)s was %(seen)s; this rule asks that it %(wanted)s"), name=name, seen=seen, wanted=wanted
    )
    return why, _missing(failed, field.kind, wording, wanted)


def _missing(failed: FailedTest, kind: FieldKind, wording: Wording, wanted: str) -> str:
    if failed.difference is None:
        return wanted
    amount = abs(failed.difference)
    said = money(amount, wording.currency) if kind is FieldKind.MONEY else str(amount)
    if failed.difference > 0:
        return wording.text(N_("%(amount)s more"), amount=said)
    return wording.text(N_("%(amount)s less"), amount=said)


def sentence(rule: Rule, wording: Wording) -> str:
    """The rule as one line: when …, then …."""
    when = lines_of(rule, wording)
    then = [wording.effect(effect) for effect in rule.effects]
    return wording.text(
        N_("When %(when)s, then %(then)s."), when="; ".join(when), then="; ".join(then) or wording.text(N_("nothing"))
    )
