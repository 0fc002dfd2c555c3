"""What acts on an order let people choose: pieces of its lines, and how their names and amounts are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.errors import InvalidError
from capabilities.transaction.contract import LineUnits, Order, OrderLine, UnitsOfLine
from capabilities.transaction.queries import order_of
from capabilities.transaction.unit_queries import units_of
from web.console.acts import input_of, words
from web.console.doing import Act, Given
from web.console.effect_forms import FieldView
from web.console.formats import money
from web.console.rule_input import read_number
from web.console.texts import N_
from web.console.visit import Visit

UNITS = "units."


class OrderAct(Act[Order]):
    """An act on an order of this business."""

    word = ""

    def find(self, session: Session, visit: Visit, subject_id: str) -> Order:
        return order_of(session, subject_id, business=visit.business.business)

    def href(self, visit: Visit, order: Order) -> str:
        return f"{order_href(visit, order)}/acts/{self.word}"


def order_href(visit: Visit, order: Order) -> str:
    """The page of an order."""
    return f"{visit.path}/orders/{order.id}"


def order_crumbs(visit: Visit, order: Order) -> tuple[tuple[str, str], ...]:
    """The way back from an act."""
    return ((words(visit, N_("Orders")), f"{visit.path}/orders"), (order.number, order_href(visit, order)))


def line_name(visit: Visit, line: OrderLine) -> str:
    """A line in the person's language."""
    return line.name_zh if visit.operator.language == "zh" else line.name_en


def names_by_line(visit: Visit, order: Order) -> dict[str, str]:
    """Names of the order's lines by line."""
    return {line.line_id: line_name(visit, line) for line in order.lines}


def goods_units(session: Session, order: Order) -> tuple[LineUnits, ...]:
    """Where the pieces of the order's goods stand."""
    return units_of(session, order.id)


def unit_fields(
    visit: Visit, order: Order, most: Mapping[str, int], given: Given, *, default: Mapping[str, int] | None = None
) -> tuple[FieldView, ...]:
    """One number a line of which pieces can be chosen; the most stands beside it."""
    names = names_by_line(visit, order)
    chosen = any(name.startswith(UNITS) for name in given)
    return tuple(
        input_of(
            f"{UNITS}{line_id}",
            names[line_id],
            given.get(f"{UNITS}{line_id}", "0" if chosen or default is None else str(default.get(line_id, 0))),
            control="number",
            unit=words(visit, N_("of %(most)s"), most=count),
        )
        for line_id, count in most.items()
        if count > 0
    )


def chosen_units(
    visit: Visit, most: Mapping[str, int], given: Given, *, default: Mapping[str, int] | None = None
) -> tuple[UnitsOfLine, ...]:
    """The pieces that were chosen, by line; `InvalidError` for more than there are."""
    if default is not None and not any(name.startswith(UNITS) for name in given):
        return tuple(UnitsOfLine(line_id=line_id, units=units) for line_id, units in default.items() if units > 0)
    found = []
    for line_id, count in most.items():
        text = given.get(f"{UNITS}{line_id}", "")
        if not text:
            continue
        units = read_number(text, field=f"{UNITS}{line_id}")
        if units < 0 or units > count:
            raise InvalidError(
                "console.units_too_many",
                words(visit, N_("Of this line %(most)s can be chosen, not %(asked)s."), most=count, asked=units),
                field=f"{UNITS}{line_id}",
            )
        if units:
            found.append(UnitsOfLine(line_id=line_id, units=units))
    return tuple(found)


def frozen_units(lines: Iterable[UnitsOfLine]) -> tuple[tuple[str, str], ...]:
    """The chosen pieces as the form that does it carries them."""
    return tuple((f"{UNITS}{line.line_id}", str(line.units)) for line in lines)


def total_of(lines: Iterable[UnitsOfLine]) -> int:
    """How many pieces."""
    return sum(line.units for line in lines)


def as_json(lines: Iterable[UnitsOfLine]) -> list[dict[str, Any]]:
    """As a process takes them."""
    return [line.model_dump() for line in lines]


def shown_money(minor: int, order: Order) -> str:
    """An amount of the order in words."""
    return money(minor, order.currency)
