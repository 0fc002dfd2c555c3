"""Which networks to ask: rows are packed by their rarest equality, the rest lies in boxes that a bitmap finds.

A plan is pure data. Whatever it leaves out is only a filter that lets too much through: the engine still decides. Rows of
one network are at most `NETWORK_LIMIT`, and a network's content does not depend on what stands in other networks, so
that a publish finds the unchanged ones again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from capabilities.kernel.decision import FieldKind, FieldType
from rules.compile import NUMERIC, YES, Alternatives, Membership, MergedRow, Row, as_membership, row_key
from rules.domain import HIGHEST, LOWEST, Domain, Numbers, Texts

NETWORK_ROWS = 32
"""Rows a network is filled to: measured best."""

NETWORK_LIMIT = 60
"""Rows a network may have: beyond 64 matching at one node the engine refuses."""

GROUP_ROWS = 4
"""Neighbouring rows without a key that share a box, and are asked together."""

MAX_KEY_LIST = 16
"""A list of at most so many values may serve as key, one row a value; a longer one is a membership."""

MAX_EXCLUDED = 8
"""So many exceptions are said one by one; more are a membership."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

Key = tuple[str, int | str]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """How one field's value becomes text for one network: its code (where asked for) and the memberships on it."""

    field: str
    kind: FieldKind
    short: str | None
    codes: tuple[tuple[str, int], ...]
    memberships: tuple[tuple[str, Membership], ...]


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """One network: the engine's definition, and how a fact is projected to it. `name` is the hash of both."""

    name: str
    definition: str
    numbers: tuple[tuple[str, str], ...]
    tables: tuple[TableSpec, ...]
    answers: tuple[tuple[int, ...], ...]
    """By row: the positions of the rules it stands for. Not part of the network itself."""


@dataclass(frozen=True, slots=True)
class Box:
    """What every fact that can match in a network must lie in, field by field; fields not named are open."""

    sides: Mapping[str, Domain]


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Rows of one network that are asked together: they begin with the group's marker, and a fact without it misses them.

    `fields` are all that the group's rows ask about, `positions` the rules they stand for.
    """

    network: int
    marker: str
    box: Box
    fields: frozenset[str]
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """The networks of one grain and stage.

    `keyed`: field to value to the group that has this key, all its rows. `broad`: groups without a key, found by their
    boxes, in the order of their networks.
    """

    networks: tuple[NetworkPlan, ...]
    keyed: Mapping[str, Mapping[Any, GroupPlan]]
    broad: tuple[GroupPlan, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows to be placed in one network: those of one key, or neighbours without one."""

    key: Key | None
    members: tuple[MergedRow, ...]

    @property
    def key_field(self) -> str | None:
        return None if self.key is None else self.key[0]

    def asks(self) -> frozenset[str]:
        """The fields its rows ask about, apart from the key."""
        subjects = {subject for member in self.members for subject in member.row if subject != self.key_field}
        return frozenset(subject if isinstance(subject, str) else subject.field for subject in subjects)


def _worked_out(alternatives: Alternatives) -> list[str]:
    """Facts the rows ask for that no contract lists: worked out from lines, each by its own name."""
    asked = (subject for row in alternatives.rows for subject in row.row)
    names = {subject if isinstance(subject, str) else subject.field for subject in asked}
    return sorted(name for name in names if name not in alternatives.fields)


def short_names(fields: Iterable[str]) -> dict[str, str]:
    """A short name for each field, by its place in the contract: the same in every release."""
    return {name: f"f{_base36(i)}" for i, name in enumerate(fields)}


def plan_index(alternatives: Alternatives) -> IndexPlan:
    """Pack the rows into networks."""
    short = short_names([*alternatives.fields, *_worked_out(alternatives)])
    by_field, without_key = _by_key(alternatives.rows)
    near = _by_neighbourhood(without_key)
    broad = [Group(None, tuple(near[i : i + GROUP_ROWS])) for i in range(0, len(near), GROUP_ROWS)]
    everything = [*(group for groups in by_field.values() for group in groups), *broad]
    if sum(len(group.members) for group in everything) <= NETWORK_LIMIT:
        packs = [everything] if everything else []
    else:
        packs = [pack for groups in by_field.values() for pack in _packed(groups)]
        packs += _packed(broad)
    keyed: dict[str, dict[Any, GroupPlan]] = defaultdict(dict)
    boxes: list[GroupPlan] = []
    for number, pack in enumerate(packs):
        for i, group in enumerate(pack):
            box = box_of([member.row for member in group.members], without=group.key_field)
            positions = tuple(sorted({position for member in group.members for position in member.positions}))
            plan = GroupPlan(number, marker(i), box, group.asks(), positions)
            if group.key is None:
                boxes.append(plan)
            else:
                field, point = group.key
                keyed[field][_as_fact(point, alternatives.fields[field].kind)] = plan
    networks = tuple(plan_network(pack, alternatives.fields, short) for pack in packs)
    return IndexPlan(networks, {field: dict(found) for field, found in keyed.items()}, tuple(boxes))


def marker(i: int) -> str:
    """The name of a network's i-th group. The engine finds conditions by their field's name: one look-up a group."""
    return f"g{_base36(i)}"


def _as_fact(point: int | str, kind: FieldKind) -> Any:
    """The value of a fact that is encoded as this point; 0 and 1 are found by False and True as well."""
    return date.fromordinal(point).isoformat() if kind is FieldKind.DATE and isinstance(point, int) else point


# --- keys ---------------------------------------------------------------------------------------------------------


def _by_key(rows: Sequence[MergedRow]) -> tuple[dict[str, list[Group]], list[MergedRow]]:
    """Rows by their rarest equality, field by field, and the rows that have none or a too popular one."""
    counted: Counter[Key] = Counter()
    for member in rows:
        counted.update((field, value) for field, values in _point_lists(member.row) for value in values)
    groups: dict[Key, list[MergedRow]] = defaultdict(list)
    popular: list[MergedRow] = []
    for member in rows:
        lists = _point_lists(member.row)
        if not lists:
            popular.append(member)
            continue
        field, values = min(lists, key=lambda found: (sum(counted[found[0], value] for value in found[1]), found[0]))
        for value in values:
            groups[field, value].append(_at_point(member, field, value))
    for key in [key for key, members in groups.items() if len(members) > NETWORK_LIMIT]:
        popular.extend(groups.pop(key))
    by_field: dict[str, list[Group]] = defaultdict(list)
    for key in sorted(groups):
        members = sorted(groups[key], key=lambda member: str(row_key(member.row)))
        by_field[key[0]].append(Group(key, tuple(members)))
    return by_field, popular


def _point_lists(row: Row) -> list[tuple[str, tuple[int | str, ...]]]:
    found: list[tuple[str, tuple[int | str, ...]]] = []
    for subject, domain in row.items():
        if isinstance(subject, str):
            points = domain.points()
            # just beyond a limit stands for everything there: no key that a fact's value would find
            if points and len(points) <= MAX_KEY_LIST and LOWEST not in points and HIGHEST not in points:
                found.append((subject, points))
    return found


def _at_point(member: MergedRow, field: str, value: int | str) -> MergedRow:
    point: Domain = Texts(frozenset((value,))) if isinstance(value, str) else Numbers(((value, value),))
    return MergedRow({**member.row, field: point}, member.positions)


def _packed(groups: Iterable[Group]) -> list[list[Group]]:
    """Whole groups, filled up to a network's size; a group is never split over networks."""
    packs: list[list[Group]] = []
    size = 0
    for group in groups:
        if not packs or size + len(group.members) > NETWORK_ROWS:
            packs.append([])
            size = 0
        packs[-1].append(group)
        size += len(group.members)
    return packs


# --- boxes --------------------------------------------------------------------------------------------------------


def box_of(rows: Sequence[Row], *, without: str | None = None) -> Box:
    """The smallest box around the rows, on fields that every row asks about."""
    sides: dict[str, Domain] = {}
    shared = set.intersection(*({subject for subject in row if isinstance(subject, str)} for row in rows))
    for field in sorted(shared - {without}):
        domains = [row[field] for row in rows]
        if any(domain.missing for domain in domains):
            continue
        if all(isinstance(domain, Numbers) for domain in domains):
            spans = [span for domain in domains if isinstance(domain, Numbers) for span in domain.spans]
            sides[field] = Numbers(((min(low for low, _ in spans), max(high for _, high in spans)),))
        elif all(domain.points() is not None for domain in domains):
            sides[field] = Texts(frozenset(str(value) for domain in domains for value in domain.points() or ()))
    return Box(sides)


def _by_neighbourhood(rows: list[MergedRow]) -> list[MergedRow]:
    """Rows that ask for similar things beside each other: by their points, then along a Z-curve over their ranges."""
    # an open end says little about where a row lies: fields of closed ranges go before, where there are any
    closed, open_ended = Counter[str](), Counter[str]()
    for member in rows:
        for subject, domain in member.row.items():
            if isinstance(subject, str) and isinstance(domain, Numbers) and domain.points() is None and domain.spans:
                ends = domain.spans[0][0], domain.spans[-1][1]
                (open_ended if LOWEST in ends or HIGHEST in ends else closed)[subject] += 1
    ranged = closed or open_ended
    most = max(ranged.values(), default=0)
    fields = [field for field, n in sorted(ranged.items(), key=lambda item: (-item[1], item[0]))[:3] if n * 2 >= most]
    ranks = {field: _ranks(rows, field) for field in fields}

    def place(i: int) -> tuple[Any, ...]:
        points = [(field, str(values[0])) for field, values in sorted(_point_lists(rows[i].row)) if len(values) == 1]
        curve = sum(
            (ranks[field][i] >> bit & 1) << (bit * len(fields) + j)
            for bit in range(10)
            for j, field in enumerate(fields)
        )
        return points[:1], curve, str(row_key(rows[i].row))

    return [rows[i] for i in sorted(range(len(rows)), key=place)]


def _ranks(rows: Sequence[MergedRow], field: str) -> list[int]:
    """Where each row's range stands among all, 0 to 1023."""
    middles = []
    for member in rows:
        domain = member.row.get(field)
        spans = domain.spans if isinstance(domain, Numbers) and domain.spans else ((LOWEST, HIGHEST),)
        low, high = spans[0][0], spans[-1][1]
        # an open end says nothing about where the row lies: its closed end does
        middles.append(low if high == HIGHEST and low != LOWEST else high if low == LOWEST else (low + high) // 2)
    distinct = {middle: rank for rank, middle in enumerate(sorted(set(middles)))}
    return [distinct[middle] * 1023 // max(1, len(distinct) - 1) for middle in middles]


# --- one network --------------------------------------------------------------------------------------------------


def plan_network(pack: Sequence[Group], fields: Mapping[str, FieldType], short: Mapping[str, str]) -> NetworkPlan:
    """The engine's definition of up to `NETWORK_LIMIT` rows, and the projection of a fact to what they ask.

    Each row begins with the marker of its group, which is a name rather than a value: the engine goes to it at once, and
    nothing else of the network is looked at.
    """
    codes, memberships, asked = _collect(pack)
    rows: dict[str, Any] = {}
    for i, group in enumerate(pack):
        for member in group.members:
            conditions = [{marker(i): 1}, *_conditions(member.row, group.key_field, short, codes, memberships)]
            rows[str(len(rows))] = {"all": [{"m": {"$and": conditions} if len(conditions) > 1 else conditions[0]}]}
    rows["w"] = {"all": [{"m": {"k": 2}}]}
    definition = json.dumps(rows, separators=(",", ":"))
    tables, numbers = [], []
    for field in sorted(asked | {membership.field for membership in memberships}):
        kind = fields[field].kind
        on_field = tuple((name, membership) for membership, name in memberships.items() if membership.field == field)
        if kind in NUMERIC - {FieldKind.DATE, FieldKind.BOOLEAN} and not on_field:
            numbers.append((field, short[field]))
        else:
            name = short[field] if field in asked else None
            tables.append(TableSpec(field, kind, name, tuple(sorted(codes.get(field, {}).items())), on_field))
    content = hashlib.sha256(f"{definition}{tables}{numbers}".encode()).hexdigest()
    answers = tuple(member.positions for group in pack for member in group.members)
    return NetworkPlan(content[:32], definition, tuple(numbers), tuple(tables), answers)


def _collect(pack: Sequence[Group]) -> tuple[dict[str, dict[str, int]], dict[Membership, str], set[str]]:
    """Codes of the texts, names of the memberships and the fields that are sent themselves."""
    texts: dict[str, set[str]] = defaultdict(set)
    questions: set[Membership] = set()
    asked: set[str] = set()
    for group in pack:
        for subject, domain in (item for member in group.members for item in member.row.items()):
            if isinstance(subject, Membership):
                questions.add(subject)
            elif subject == group.key_field:
                continue  # the marker says it
            elif _is_direct(domain):
                asked.add(subject)
                if isinstance(domain, Texts):
                    texts[subject] |= domain.values
            else:
                questions.add(as_membership(subject, domain)[0])
    codes = {field: {text: code for code, text in enumerate(sorted(found))} for field, found in texts.items()}
    names = {q: f"m{_base36(i)}" for i, q in enumerate(sorted(questions, key=str))}
    return codes, names, asked


def _is_direct(domain: Domain) -> bool:
    """Whether the engine can be asked itself: a point, one span, or all but a few points."""
    if domain.missing:
        return False
    points, excluded = domain.points(), domain.excluded()
    if points is not None and len(points) == 1:
        return True
    if isinstance(domain, Numbers) and len(domain.spans) == 1:
        return True
    return excluded is not None and 0 < len(excluded) <= MAX_EXCLUDED


def _conditions(
    row: Row,
    key: str | None,
    short: Mapping[str, str],
    codes: Mapping[str, Mapping[str, int]],
    memberships: Mapping[Membership, str],
) -> list[dict[str, Any]]:
    """The row's conditions apart from its key, the most selective first: points, questions, ranges, exceptions."""
    ranked: list[tuple[tuple[int, str], list[dict[str, Any]]]] = []
    for subject, domain in row.items():
        if subject == key:
            continue
        if isinstance(subject, Membership):
            name = memberships[subject]
            ranked.append(((2, name), [{name: 1 if domain == YES else 0}]))
        elif _is_direct(domain):
            rank, conditions = _direct(domain, short[subject], codes.get(subject, {}))
            ranked.append(((rank, short[subject]), conditions))
        else:
            membership, wanted = as_membership(subject, domain)
            name = memberships[membership]
            ranked.append(((2, name), [{name: 1 if wanted == YES else 0}]))
    return [condition for _, conditions in sorted(ranked, key=lambda item: item[0]) for condition in conditions]


def _direct(domain: Domain, name: str, codes: Mapping[str, int]) -> tuple[int, list[dict[str, Any]]]:
    points = domain.points()
    if points is not None and len(points) == 1:
        return 1, [{name: _code(points[0], codes)}]
    if isinstance(domain, Numbers) and len(domain.spans) == 1:
        low, high = domain.spans[0]
        closed = low != LOWEST and high != HIGHEST
        ends: list[dict[str, Any]] = []
        if low != LOWEST or high == HIGHEST:
            ends.append({"$gte": {name: low}})
        if high != HIGHEST:
            ends.append({"$lte": {name: high}})
        return (3 if closed else 4), ends
    return 5, [{"$neq": {name: _code(value, codes)}} for value in domain.excluded() or ()]


def _code(value: int | str, codes: Mapping[str, int]) -> int:
    return codes[value] if isinstance(value, str) else value


def _base36(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if number == 0:
            return text
