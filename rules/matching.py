"""A compiled release: asks the networks that may know, and turns their rows into rules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from capabilities.kernel.decision import FieldKind
from capabilities.kernel.errors import InvalidError
from rules.compile import Alternatives, compile_document
from rules.document import RuleSetDocument
from rules.domain import HIGHEST, LIMIT, LOWEST, Numbers, Texts, within_limits
from rules.engine import Network, network_of
from rules.index import Box, IndexPlan, NetworkPlan, plan_index, short_names
from rules.projection import Table, number_text

Facts = Mapping[str, Any]

_HEAD = '{"id":"1","k":1'


class Asked:
    """One network as a place asks it: where in the place's values its fields are, and what its rows stand for."""

    __slots__ = ("answers", "network", "numbers", "tables", "template")

    def __init__(self, plan: NetworkPlan, slots: Mapping[str, int], number_slots: Mapping[str, int]) -> None:
        self.network: Network = network_of(plan.name, plan.definition)
        self.tables = tuple((slots[spec.field], Table(spec)) for spec in plan.tables)
        self.numbers = tuple((slots[field], number_slots[field]) for field, _ in plan.numbers)
        self.answers = {str(row): positions for row, positions in enumerate(plan.answers)}
        numbers = "".join(f',"{short}":%d' for _, short in plan.numbers)
        self.template = f"{_HEAD}{'%s' * len(plan.tables)}{numbers}}}"


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
        self.numbers = tuple((name, short[name]) for name in numbers)
        self.number_slots = tuple(slots[name] for name in numbers)
        number_slots = {name: i for i, name in enumerate(numbers)}
        self.asked = tuple(Asked(network, slots, number_slots) for network in plan.networks)
        self.always = alternatives.always
        self.only = self.asked[0] if len(self.asked) == 1 else None
        # dates come as text and stay outside the boxes: a box only leaves out what cannot match
        boxed = {name: slot for name, slot in slots.items() if alternatives.fields[name].kind is not FieldKind.DATE}
        self.keyed = tuple(
            (
                slots[field],
                {value: (self.asked[network], *_sides(box, boxed)) for value, (network, box) in found.items()},
            )
            for field, found in plan.keyed.items()
        )
        self.bitmaps = Bitmaps(plan.broad, boxed) if plan.broad and self.only is None else None

    def fire(self, facts: Facts) -> tuple[int, ...]:
        """Positions of the rules that hold, ascending."""
        try:
            values = list(map(facts.get, self.names))
            wanted = self._wanted(values)
            return self._answer(wanted, values) if wanted else self.always
        except TypeError as error:
            raise InvalidError("rules.fact_wrong", f"A fact has a value of the wrong kind: {error}.") from error

    def _wanted(self, values: Sequence[Any]) -> Sequence[Asked]:
        """The networks in which something may match."""
        if self.only is not None:
            return (self.only,)
        wanted: list[Asked] = []
        for slot, found in self.keyed:
            entry = found.get(values[slot])
            if entry is None:
                continue
            asked, numbers, texts = entry
            for side, low, high in numbers:
                value = values[side]
                if value is None or not low <= value <= high:
                    break
            else:
                for side, members in texts:
                    if values[side] not in members:
                        break
                else:
                    wanted.append(asked)
        if self.bitmaps is not None:
            wanted.extend([self.asked[i] for i in self.bitmaps.find(values)])
        return wanted

    def _answer(self, wanted: Sequence[Asked], values: Sequence[Any]) -> tuple[int, ...]:
        odd = False
        for slot in self.number_slots:
            value = values[slot]
            if value.__class__ is not int or not -LIMIT <= value <= LIMIT:
                odd = True
        fired: list[int] = []
        for asked in wanted:
            if odd:
                text = self._odd_text(asked, values)
            else:
                coded = [table[values[slot]] for slot, table in asked.tables]
                coded += [values[slot] for slot, _ in asked.numbers]
                text = asked.template % tuple(coded)
            answers = asked.answers
            for name in asked.network.ask(text):
                fired += answers[name]
        if len(fired) > 1 or self.always:
            return tuple(sorted({*fired, *self.always}))
        return tuple(fired)

    def _odd_text(self, asked: Asked, values: Sequence[Any]) -> str:
        """The fact where some number is missing, beyond the limits, or no number at all."""
        coded = [table[values[slot]] for slot, table in asked.tables]
        plain = [number_text(*self.numbers[number], values[slot]) for slot, number in asked.numbers]
        return "".join((_HEAD, *coded, *plain, "}"))


def _sides(
    box: Box, slots: Mapping[str, int]
) -> tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, frozenset[str]], ...]]:
    """A box as quick comparisons; beyond the limits everything is the same, so ends there are open."""
    numbers = tuple(
        (slots[field], _far(side.spans[0][0], LOWEST), _far(side.spans[-1][1], HIGHEST))
        for field, side in box.sides.items()
        if field in slots and isinstance(side, Numbers)
    )
    texts = tuple(
        (slots[field], side.values) for field, side in box.sides.items() if field in slots and isinstance(side, Texts)
    )
    return numbers, texts


def _far(end: int, limit: int) -> int:
    return end * 10**30 if end == limit else end


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
