"""Cases that are no carts: prices by tiers, splits, what payments add up to, commissions. A file says its `kind`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from capabilities.kernel.errors import InvalidError, RefusedError
from capabilities.kernel.money import Money
from capabilities.marketing.contract import FeeTier
from capabilities.marketing.pricing import split
from capabilities.marketing.pricing.tier_effects import tier_amount
from capabilities.marketing.slots import fresh, gathered, slots_for
from capabilities.payment.contract import PaymentAmounts, PaymentEvent, PaymentEventKind
from capabilities.payment.fold import amounts
from capabilities.payment.sharing import share_back
from capabilities.settlement.commission import commission_of
from capabilities.settlement.contract import CommissionRate
from zhongtai.cases.expecting import Compared
from zhongtai.cases.spot import Spot

REFUSED = "refused"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FigureCase:
    """One case of another kind: every figure it expects beside what was found."""

    name: str
    file: Path
    line: int
    compared: tuple[Compared, ...]


Reader = Callable[[Mapping[str, Spot], str], Iterator[Compared]]


def read_figures(whole: Spot, kind: str) -> list[FigureCase]:
    """All cases of a file of that kind. `currency` is said once for the file."""
    top = whole.mapping(["kind", "name", "about", "currency", "cases"])
    currency = top["currency"].text() if "currency" in top else "EUR"
    known, reader = FIGURE_KINDS[kind]
    cases = []
    for spot in top["cases"].items():
        found = spot.mapping(["name", *known])
        for required in ("name", "expect"):
            if required not in found:
                raise spot.wrong(f"the case has no {required}.", f"Add `{required}:`.")
        compared = tuple(reader(found, currency))
        cases.append(FigureCase(found["name"].text(), spot.file, spot.line, compared))
    return cases


def _money(label: str, spot: Spot, found: int, currency: str) -> Compared:
    wanted = Money(spot.money(currency), currency).decimal()
    return Compared(label, spot.line, wanted, Money(found, currency).decimal())


def _tiers(found: Mapping[str, Spot], currency: str) -> Iterator[Compared]:
    """`tiers` rows of up_to, unit, flat; `expect` rows of quantity and price."""
    tiers = []
    for row in found["tiers"].rows():
        cells = row.mapping(["up_to", "unit", "per", "flat"])
        tiers.append(
            FeeTier(
                up_to=cells["up_to"].whole() if "up_to" in cells else None,
                unit_minor=cells["unit"].money(currency) if "unit" in cells else 0,
                per_units=cells["per"].whole() if "per" in cells else 1,
                flat_minor=cells["flat"].money(currency) if "flat" in cells else 0,
            )
        )
    mode: Any = found["mode"].choice(["graduated", "volume", "package"])
    for row in found["expect"].rows():
        cells = row.mapping(["quantity", "price"])
        quantity = cells["quantity"].whole()
        price = tier_amount(
            quantity,
            tiers,
            mode,
            package_units=found["package"].whole() if "package" in found else 1,
            first_free=found["first_free"].whole() if "first_free" in found else 0,
        )
        yield _money(f"{quantity} pieces", cells["price"], price, currency)


def _split(found: Mapping[str, Spot], currency: str) -> Iterator[Compared]:
    """`amount` over `weights`, the rest by `remainder`; `expect` the parts."""
    amount = found["amount"].money(currency)
    remainder: Any = found["remainder"].choice(["largest", "first_lines", "last_line"])
    weights = [int(float(item.text()) * 1_000) for item in found["weights"].items()]
    parts = split(amount, weights, remainder)
    for number, (item, part) in enumerate(zip(found["expect"].items(), parts, strict=True), start=1):
        yield _money(f"part {number}", item, part, currency)


def _payment(found: Mapping[str, Spot], currency: str) -> Iterator[Compared]:
    """`events` rows of event, amount, reference and the minute it happened; `expect` amounts, others are nothing."""
    events = []
    for number, row in enumerate(found["events"].rows()):
        cells = row.mapping(["event", "amount", "reference", "minute"])
        minute = cells["minute"].whole() if "minute" in cells else number
        events.append(
            PaymentEvent(
                kind=PaymentEventKind(cells["event"].choice([kind.value for kind in PaymentEventKind])),
                reference=cells["reference"].text() if "reference" in cells else f"e{number}",
                amount_minor=cells["amount"].money(currency),
                occurred_at=EPOCH + timedelta(minutes=minute),
            )
        )
    folded = amounts(events)
    names = [name.removesuffix("_minor") for name in PaymentAmounts.model_fields]
    wanted = found["expect"].mapping(names)
    for name in names:
        expected = wanted.get(name, Spot("0", found["expect"].file, found["expect"].line, name))
        yield _money(name.replace("_", " "), expected, getattr(folded, f"{name}_minor"), currency)


def _commission(found: Mapping[str, Spot], currency: str) -> Iterator[Compared]:
    """`rate`, `per_unit`, `floor`, `cap` on a `base` of `quantity` pieces; `expect` commission and what is left."""
    values: dict[str, Any] = {"reason": "case"}
    if "rate" in found:
        values["rate_bps"] = found["rate"].rate()
    for name, field in (("per_unit", "per_unit_minor"), ("floor", "lowest_minor"), ("cap", "highest_minor")):
        if name in found:
            values[field] = found[name].money(currency)
    try:
        rate = CommissionRate.model_validate(values)
    except ValidationError as error:
        raise found["base"].wrong(error.errors()[0]["msg"], "Correct the rate.") from None
    base = found["base"].money(currency)
    quantity = found["quantity"].whole() if "quantity" in found else 1
    commission = commission_of(rate, base_minor=base, quantity=quantity).commission_minor
    wanted = found["expect"].mapping(["commission", "left"])
    if "commission" in wanted:
        yield _money("commission", wanted["commission"], commission, currency)
    if "left" in wanted:
        yield _money("left", wanted["left"], base - commission, currency)


def _refund(found: Mapping[str, Spot], currency: str) -> Iterator[Compared]:
    """`captured` of each source; `asked` one after the other; `expect` what each source gives back, or `refused`."""
    left = [item.money(currency) for item in found["captured"].items()]
    for asked, wanted in zip(found["asked"].items(), found["expect"].items(), strict=True):
        amount = asked.money(currency)
        try:
            parts = share_back(amount, left)
        except (InvalidError, RefusedError):
            answer = REFUSED
        else:
            left = [before - part for before, part in zip(left, parts, strict=True)]
            answer = " + ".join(Money(part, currency).decimal() for part in parts)
        yield Compared(f"refund of {asked.text()}", wanted.line, _sum(wanted, currency), answer)


def _budget(found: Mapping[str, Spot], currency: str) -> Iterator[Compared]:
    """A budget of `most`, in as many slots as it would have; `asked` one after the other; `expect` `taken` or `refused`."""
    most = found["most"].money(currency)
    budget = fresh(most, slots_for("spend", most))
    for number, (asked, wanted) in enumerate(zip(found["asked"].items(), found["expect"].items(), strict=True)):
        after = gathered(budget, asked.money(currency), number % len(budget.slots))
        budget = budget if after is None else after
        expected = wanted.choice(["taken", REFUSED])
        yield Compared(f"spend of {asked.text()}", wanted.line, expected, REFUSED if after is None else "taken")
    yield _money("used", found["used"], budget.used, currency)


def _sum(wanted: Spot, currency: str) -> str:
    """Amounts joined by `+`, or `refused`, as they are compared."""
    parts = [part.strip() for part in wanted.text().split("+")]
    if parts == [REFUSED]:
        return REFUSED
    spots = [Spot(part, wanted.file, wanted.line, wanted.field) for part in parts]
    return " + ".join(Money(spot.money(currency), currency).decimal() for spot in spots)


FIGURE_KINDS: dict[str, tuple[tuple[str, ...], Reader]] = {
    "tiers": (("tiers", "mode", "package", "first_free", "expect"), _tiers),
    "split": (("amount", "weights", "remainder", "expect"), _split),
    "payment": (("events", "expect"), _payment),
    "commission": (("rate", "per_unit", "floor", "cap", "base", "quantity", "expect"), _commission),
    "refund": (("captured", "asked", "expect"), _refund),
    "budget": (("most", "asked", "expect", "used"), _budget),
}
"""Kinds of cases, with the fields of a case and what reads them."""
