"""A compiled release: asks the networks that may know, and turns their rows into rules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from capabilities.kernel.decision import FieldKind
from capabilities.kernel.errors import InvalidError
from rules.compile import Alternatives, compile_document
from rules.document import RuleSetDocument
from rules.domain import LIMIT, Numbers, Texts, within_limits
from rules.engine import Network, network_of
from rules.index import Box, IndexPlan, NetworkPlan, plan_index, short_names
from rules.projection import Table, number_text

Facts = Mapping[str, Any]

_HEAD = '{"id":"1","k":1'


class Asked:
    """One network as a place asks it: where in the place's values its fields are, and what its rows stand for."""

    __slots__ = ("answers", "network", "numbers", "tables")

    def __init__(self, plan: NetworkPlan, slots: Mapping[str, int], number_slots: Mapping[str, int]) -> None:
        self.network: Network = network_of(plan.name, plan.definition)
        self.tables = tuple((slots[spec.field], Table(spec)) for spec in plan.tables)
        self.numbers = tuple(number_slots[field] for field, _ in plan.numbers)
        self.answers = {str(row): positions for row, positions in enumerate(plan.answers)}


class Bitmaps:
    """Finds the broad networks whose box a fact lies in: one bit a network, one mask a field, all of them together."""

    def __init__(self, broad: Sequence[tuple[int, Box]], slots: Mapping[str, int]) -> None:
        self.networks = tuple(network for network, _ in broad)
        self.all = (1 << len(broad)) - 1
        self.numbers: list[tuple[int, int, list[int], list[int]]] = []
        self.texts: list[tuple[int, int, dict[Any, int]]] = []
        for field in sorted({field for _, box in broad for field in box.sides if field in slots}):
            sides = [box.sides.get(field) for _, box in broad]
            open_to_all = _mask(side is None for side in sides)
            if all(side is None or isinstance(side, Numbers) for side in sides):
                cuts = sorted({end for side in sides if isinstance(side, Numbers) for end in _ends(side)})
                masks = [
                    _mask(
                        side is None or (isinstance(side, Numbers) and side.has(within_limits(low))) for side in sides
                    )
                    for low in [cuts[0] - 1, *cuts]
                ]
                self.numbers.append((slots[field], open_to_all, cuts, masks))
            else:
                values = {value for side in sides if isinstance(side, Texts) for value in side.values}
                found = {
                    value: _mask(side is None or (isinstance(side, Texts) and value in side.values) for side in sides)
                    for value in values
                }
                self.texts.append((slots[field], open_to_all, found))

    def find(self, values: Sequence[Any]) -> list[int]:
        """The networks to ask."""
        mask = self.all
        for slot, otherwise, found in self.texts:
            mask &= found.get(values[slot], otherwise)
        for slot, otherwise, cuts, masks in self.numbers:
            value = values[slot]
            if value is None or not mask:
                mask &= otherwise
            else:
                mask &= masks[bisect_right(cuts, value)]
        networks, wanted = self.networks, []
        while mask:
            lowest = mask & -mask
            wanted.append(networks[lowest.bit_length() - 1])
            mask ^= lowest
        return wanted


def _ends(side: Numbers) -> tuple[int, int]:
    """Where a side begins and where it has ended."""
    return side.spans[0][0], side.spans[-1][1] + 1


def _mask(bits: Any) -> int:
    return sum(1 << i for i, bit in enumerate(bits) if bit)


class Place:
    """The rules of one grain and stage."""

    def __init__(self, alternatives: Alternatives, plan: IndexPlan) -> None:
        short = short_names(alternatives.fields)
        names = sorted(
            {spec.field for network in plan.networks for spec in network.tables}
            | {field for network in plan.networks for field, _ in network.numbers}
            | set(plan.keyed)
            | {field for _, box in plan.broad for field in box.sides}
        )
        slots = {name: i for i, name in enumerate(names)}
        numbers = sorted({field for network in plan.networks for field, _ in network.numbers})
        self.names = tuple(names)
        self.numbers = tuple((slots[name], name, short[name], f',"{short[name]}":') for name in numbers)
        number_slots = {name: i for i, name in enumerate(numbers)}
        self.asked = tuple(Asked(network, slots, number_slots) for network in plan.networks)
        self.always = alternatives.always
        self.keyed = tuple((slots[field], found) for field, found in plan.keyed.items())
        self.only = self.asked[0] if len(self.asked) == 1 else None
        # dates come as text and stay outside the boxes: a box only leaves out what cannot match
        boxed = {name: slot for name, slot in slots.items() if alternatives.fields[name].kind is not FieldKind.DATE}
        self.bitmaps = Bitmaps(plan.broad, boxed) if plan.broad and self.only is None else None

    def fire(self, facts: Facts) -> tuple[int, ...]:
        """Positions of the rules that hold, ascending."""
        try:
            return self._fire(facts)
        except TypeError as error:
            raise InvalidError("rules.fact_wrong", f"A fact has a value of the wrong kind: {error}.") from error

    def _fire(self, facts: Facts) -> tuple[int, ...]:
        get = facts.get
        values = [get(name) for name in self.names]
        numbers = []
        for slot, name, short, prefix in self.numbers:
            value = values[slot]
            if value.__class__ is int and -LIMIT <= value <= LIMIT:
                numbers.append(f"{prefix}{value}")
            else:
                numbers.append(number_text(name, short, value))
        if self.only is not None:
            return self._answer((self.only,), values, numbers)
        wanted: list[int] = []
        for slot, found in self.keyed:
            wanted.extend(found.get(values[slot], ()))
        if self.bitmaps is not None:
            wanted.extend(self.bitmaps.find(values))
        asked = self.asked
        return self._answer([asked[i] for i in wanted], values, numbers)

    def _answer(self, wanted: Sequence[Asked], values: Sequence[Any], numbers: Sequence[str]) -> tuple[int, ...]:
        fired: list[int] = []
        for asked in wanted:
            coded = [table[values[slot]] for slot, table in asked.tables]
            plain = [numbers[number] for number in asked.numbers]
            answers = asked.answers
            for name in asked.network.ask("".join((_HEAD, *coded, *plain, "}"))):
                fired.extend(answers[name])
        if not fired:
            return self.always
        return tuple(sorted({*fired, *self.always}))


class CompiledRelease:
    """The enabled rules of a document, matched by the engine. Same answers as `rules.reference`, by grain and stage."""

    def __init__(self, document: RuleSetDocument) -> None:
        self.places = {
            place: Place(alternatives, plan_index(alternatives))
            for place, alternatives in compile_document(document).items()
        }
        self._by_grain: dict[str, list[Place]] = {}
        for (grain, _), place in self.places.items():
            self._by_grain.setdefault(grain, []).append(place)

    def fire(self, grain: str, facts: Facts, stage: int | None = None) -> tuple[int, ...]:
        """Positions of the rules of this grain (and stage) whose condition holds, ascending."""
        if stage is not None:
            place = self.places.get((grain, stage))
            return () if place is None else place.fire(facts)
        places = self._by_grain.get(grain, ())
        if len(places) == 1:
            return places[0].fire(facts)
        return tuple(sorted(position for place in places for position in place.fire(facts)))

    def warm(self) -> None:
        """Build every network now."""
        for place in self.places.values():
            for asked in place.asked:
                asked.network.warm()
