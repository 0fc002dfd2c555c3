"""A compiled release: asks the networks that may know, and turns their rows into rules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any

from capabilities.kernel.decision import FieldKind
from capabilities.kernel.errors import InvalidError
from rules.compile import Alternatives, compile_document
from rules.document import RuleSetDocument, by_priority
from rules.domain import HIGHEST, LIMIT, LOWEST, Numbers, Texts, within_limits
from rules.engine import Network, network_of
from rules.index import Box, GroupPlan, IndexPlan, NetworkPlan, plan_index
from rules.projection import Table, number_text

Facts = Mapping[str, Any]

_HEAD = '{"id":"1"'
QUESTIONS_KEPT = 4_096
"""Combinations of groups a place remembers how to ask; a fuller memory starts anew."""


class Asked:
    """One network as a place asks it: where in the place's values its fields are, and what its rows stand for."""

    __slots__ = ("answers", "network", "numbers", "tables")

    def __init__(self, plan: NetworkPlan, slots: Mapping[str, int]) -> None:
        self.network: Network = network_of(plan.name, plan.definition)
        self.tables = tuple((slots[spec.field], Table(spec)) for spec in plan.tables)
        self.numbers = tuple((slots[field], field, short) for field, short in plan.numbers)
        self.answers = {str(row): positions for row, positions in enumerate(plan.answers)}


class Question:
    """Some groups of one network: the text that asks for them, with the fields they need and no others."""

    __slots__ = ("answers", "asked", "groups", "head", "network", "numbers", "pick", "rank", "tables", "template")

    def __init__(
        self, asked: Asked, groups: Sequence[GroupPlan], slots: Mapping[str, int], ranks: Sequence[int]
    ) -> None:
        wanted = {slots[field] for group in groups for field in group.fields}
        self.asked = asked
        self.groups = tuple(groups)
        self.network, self.answers = asked.network, asked.answers
        self.tables = tuple((slot, table) for slot, table in asked.tables if slot in wanted)
        self.numbers = tuple(number for number in asked.numbers if number[0] in wanted)
        self.rank = min(ranks[position] for group in groups for position in group.positions)
        self.head = _HEAD + "".join(f',"{group.marker}":1' for group in groups)
        numbers = "".join(f',"{short}":%d' for _, _, short in self.numbers)
        self.template = f"{self.head}{'%s' * len(self.tables)}{numbers}}}"
        self.pick = _picker([slot for slot, _, _ in self.numbers])

    def text(self, values: Sequence[Any]) -> str:
        """The fact, where every number is a plain one within the limits."""
        if not self.tables:
            return self.template % self.pick(values)
        if len(self.tables) == 1:
            ((slot, table),) = self.tables
            return self.template % (table[values[slot]], *self.pick(values))
        return self.template % (*[table[values[slot]] for slot, table in self.tables], *self.pick(values))

    def odd_text(self, values: Sequence[Any]) -> str:
        """The fact where some number is missing, beyond the limits, or no number at all."""
        coded = [table[values[slot]] for slot, table in self.tables]
        plain = [number_text(field, short, values[slot]) for slot, field, short in self.numbers]
        return "".join((self.head, *coded, *plain, "}"))


def _picker(slots: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """The values at these slots, as a tuple."""
    if not slots:
        return lambda _: ()
    if len(slots) == 1:
        slot = slots[0]
        return lambda values: (values[slot],)
    return itemgetter(*slots)


class Bitmaps:
    """Finds the groups whose box a fact lies in: one bit a group, one mask a field, all of them together."""

    def __init__(self, broad: Sequence[Box], slots: Mapping[str, int]) -> None:
        self.all = (1 << len(broad)) - 1
        self.numbers: list[tuple[int, int, list[int], list[int]]] = []
        self.texts: list[tuple[int, int, dict[Any, int]]] = []
        for field in sorted({field for box in broad for field in box.sides if field in slots}):
            sides = [box.sides.get(field) for box in broad]
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

    def find(self, values: Sequence[Any]) -> int:
        """The groups to ask, as bits."""
        mask = self.all
        for slot, otherwise, found in self.texts:
            mask &= found.get(values[slot], otherwise)
        for slot, otherwise, cuts, masks in self.numbers:
            value = values[slot]
            if value is None:
                mask &= otherwise
            else:
                mask &= masks[bisect_right(cuts, value)]
        return mask


def _ends(side: Numbers) -> tuple[int, int]:
    """Where a side begins and where it has ended."""
    return side.spans[0][0], side.spans[-1][1] + 1


def _mask(bits: Any) -> int:
    return sum(1 << i for i, bit in enumerate(bits) if bit)


class Place:
    """The rules of one grain and stage. `ranks` says of every rule of the document which is heard first."""

    def __init__(self, alternatives: Alternatives, plan: IndexPlan, ranks: Sequence[int]) -> None:
        groups = [*(group for found in plan.keyed.values() for group in found.values()), *plan.broad]
        self.names = tuple(sorted(set(plan.keyed) | {field for group in groups for field in group.fields}))
        slots = {name: i for i, name in enumerate(self.names)}
        self.number_slots = tuple(sorted({slots[field] for network in plan.networks for field, _ in network.numbers}))
        self.asked = tuple(Asked(network, slots) for network in plan.networks)
        self.always = alternatives.always
        self._slots, self._ranks = slots, ranks
        self._always_in_order = sorted(self.always, key=ranks.__getitem__)
        told = [position for row in alternatives.rows for position in row.positions]
        self._repeats = bool(self.always) or len(set(told)) < len(told)
        # dates come as text and stay outside the boxes: a box only leaves out what cannot match
        boxed = {name: slot for name, slot in slots.items() if alternatives.fields[name].kind is not FieldKind.DATE}
        self.keyed = tuple(
            (
                slots[field],
                {value: (self._question((group,)), *_sides(group.box, boxed)) for value, group in found.items()},
            )
            for field, found in plan.keyed.items()
        )
        self.bitmaps = Bitmaps([group.box for group in plan.broad], boxed) if plan.broad else None
        # neighbours in one network are asked together: a mask of its bits, and to each bit which mask it is in
        self._groups = plan.broad
        self._broad: list[int] = []
        self._owner: list[int] = []
        for _, found in groupby(plan.broad, key=attrgetter("network")):
            count = len(tuple(found))
            self._broad.append(((1 << count) - 1) << len(self._owner))
            self._owner += [len(self._broad) - 1] * count
        self._together: dict[int | tuple[Question, ...], Question] = {}
        self._one_network = len(self.asked) == 1

    def _question(self, groups: Sequence[GroupPlan]) -> Question:
        return Question(self.asked[groups[0].network], groups, self._slots, self._ranks)

    def fire(self, facts: Facts) -> tuple[int, ...]:
        """Positions of the rules that hold, ascending."""
        try:
            values = list(map(facts.get, self.names))
            wanted = self._wanted(values)
            return self._answer(wanted, values) if wanted else self.always
        except TypeError as error:
            raise InvalidError("rules.fact_wrong", f"A fact has a value of the wrong kind: {error}.") from error

    def _wanted(self, values: Sequence[Any]) -> list[Question]:
        """What to ask: everything else cannot match."""
        wanted: list[Question] = []
        for slot, found in self.keyed:
            entry = found.get(values[slot])
            if entry is None:
                continue
            question, numbers, texts = entry
            for side, low, high in numbers:
                value = values[side]
                if value is None or not low <= value <= high:
                    break
            else:
                for side, members in texts:
                    if values[side] not in members:
                        break
                else:
                    wanted.append(question)
        if self.bitmaps is not None:
            mask = self.bitmaps.find(values)
            while mask:
                network = self._owner[(mask & -mask).bit_length() - 1]
                among = mask & self._broad[network]
                mask ^= among
                wanted.append(self._together.get(among) or self._neighbours(among))
        if len(wanted) > 1 and self._one_network:
            key = tuple(wanted)
            return [self._together.get(key) or self._kept(key, [group for one in wanted for group in one.groups])]
        return wanted

    def _neighbours(self, bits: int) -> Question:
        return self._kept(bits, [group for i, group in enumerate(self._groups) if bits >> i & 1])

    def _kept(self, key: int | tuple[Question, ...], groups: Sequence[GroupPlan]) -> Question:
        """The question for several groups of a network, kept for the next fact that needs the same ones."""
        if len(self._together) >= QUESTIONS_KEPT:
            self._together.clear()
        question = self._together[key] = self._question(groups)
        return question

    def _answer(self, wanted: Sequence[Question], values: Sequence[Any]) -> tuple[int, ...]:
        odd = False
        for slot in self.number_slots:
            value = values[slot]
            if value.__class__ is not int or not -LIMIT <= value <= LIMIT:
                odd = True  # some number is missing, beyond the limits, or no number at all
        fired: list[int] = []
        for question in wanted:
            answers = question.answers
            for name in question.network.ask(question.odd_text(values) if odd else question.text(values)):
                fired += answers[name]
        if self._repeats:
            return tuple(sorted({*fired, *self.always}))
        if len(fired) > 1:
            fired.sort()
        return tuple(fired)

    def first(self, facts: Facts, may_act: Callable[[int], bool], before: int) -> int | None:
        """Of the rules that hold and may act, the one heard first, where it is heard before that rank."""
        found = next((position for position in self._always_in_order if may_act(position)), None)
        if found is not None and self._ranks[found] >= before:
            found = None
        if found is not None:
            before = self._ranks[found]
        try:
            values: list[Any] = list(map(facts.get, self.names))
            numbers = [values[slot] for slot in self.number_slots]
            odd = not all(number.__class__ is int and -LIMIT <= number <= LIMIT for number in numbers)
            for question in sorted(self._wanted(values), key=_rank):
                if question.rank >= before:
                    break  # nothing that is asked from here on is heard earlier
                for name in question.network.ask(question.odd_text(values) if odd else question.text(values)):
                    for position in question.answers[name]:
                        if self._ranks[position] < before and may_act(position):
                            found, before = position, self._ranks[position]
        except TypeError as error:
            raise InvalidError("rules.fact_wrong", f"A fact has a value of the wrong kind: {error}.") from error
        return found


_rank = attrgetter("rank")


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
        rules = document.rules
        self._ranks = ranks = [0] * len(rules)
        for rank, position in enumerate(sorted(range(len(rules)), key=lambda i: by_priority(rules[i], i))):
            ranks[position] = rank
        self.places = {
            place: Place(alternatives, plan_index(alternatives), ranks)
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

    def first(self, grain: str, facts: Facts, may_act: Callable[[int], bool]) -> int | None:
        """Of the rules of this grain that hold and may act, the one heard first. What cannot win is not asked."""
        found: int | None = None
        before = len(self._ranks)
        for place in self._by_grain.get(grain, ()):
            better = place.first(facts, may_act, before)
            if better is not None:
                found, before = better, self._ranks[better]
        return found

    def warm(self) -> None:
        """Build every network now."""
        for place in self.places.values():
            for asked in place.asked:
                asked.network.warm()
