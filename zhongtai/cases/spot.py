"""A YAML file as values that know where they stand, so that every complaint names file, line and field.

Scalars stay the text that was written: 50.00 is read as exactly fifty, never through a float. A list of rows may be
written as a list of mappings or as a table of bars and dashes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.money import Money

_EMPTY = ("", "~", "null")


class CaseError(InvalidError):
    """A case file that cannot be read: where, what is wrong, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A value at a place: text, a list, or a mapping."""

    value: str | list[Spot] | dict[str, Spot]
    file: Path
    line: int
    field: str

    def wrong(self, message: str, mend: str) -> CaseError:
        """The complaint about this place."""
        return CaseError(
            "cases.malformed",
            f"{self.file}, line {self.line}, {self.field or 'the file'}: {message}",
            mend=mend,
            file=str(self.file),
            line=self.line,
            field=self.field,
        )

    @property
    def is_empty(self) -> bool:
        return isinstance(self.value, str) and self.value.strip() in _EMPTY

    def mapping(self, known: Iterable[str]) -> dict[str, Spot]:
        """A mapping with no other keys than the known ones; empty values are left out."""
        found = self.pairs()
        names = list(known)
        for key, spot in found.items():
            if key not in names:
                close = difflib.get_close_matches(key, names, 1)
                mend = f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(names)}."
                raise spot.wrong(f"{key!r} is not known here.", mend)
        return found

    def pairs(self) -> dict[str, Spot]:
        """A mapping with any keys; empty values are left out."""
        if self.is_empty:
            return {}
        if not isinstance(self.value, dict):
            raise self.wrong("names with values are expected here.", "Write `name: value`, one a line.")
        return {key: spot for key, spot in self.value.items() if not spot.is_empty}

    def items(self) -> list[Spot]:
        """A list; a single value stands for a list of one."""
        if self.is_empty:
            return []
        return self.value if isinstance(self.value, list) else [self]

    def rows(self) -> list[Spot]:
        """Rows as mappings, written as a list of them or as a table."""
        if isinstance(self.value, str) and "|" in self.value:
            return self._table(self.value)
        return self.items()

    def _table(self, text: str) -> list[Spot]:
        lines = [
            (number, [cell.strip() for cell in line.strip().strip("|").split("|")])
            for number, line in enumerate(text.splitlines(), start=self.line + 1)
            if line.strip() and not set(line.strip()) <= set("|-: ")
        ]
        header = lines[0][1]
        rows = []
        for row, (number, cells) in enumerate(lines[1:]):
            at = f"{self.field}[{row + 1}]"
            if len(cells) != len(header):
                raise Spot("", self.file, number, at).wrong(
                    f"this row has {len(cells)} cells, the head of the table {len(header)}.",
                    "Give each row as many cells as the head; leave a cell blank where there is nothing.",
                )
            named = zip(header, cells, strict=True)
            rows.append(Spot({k: Spot(c, self.file, number, f"{at}.{k}") for k, c in named}, self.file, number, at))
        return rows

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong("a text is expected here.", "Write one value.")
        return self.value.strip()

    def choice(self, choices: Iterable[str]) -> str:
        names = list(choices)
        found = self.text()
        if found not in names:
            close = difflib.get_close_matches(found, names, 1)
            mend = f"Did you mean {close[0]}?" if close else f"Choose one of {', '.join(names)}."
            raise self.wrong(f"{found!r} is not one of the choices.", mend)
        return found

    def whole(self) -> int:
        try:
            return int(self.text().replace("_", "").replace(",", ""))
        except ValueError:
            raise self.wrong(f"{self.text()!r} is not a whole number.", "Write digits only, such as 3.") from None

    def flag(self) -> bool:
        return self.choice(["yes", "no", "true", "false"]) in ("yes", "true")

    def money(self, currency: str) -> int:
        """An amount in minor units, exactly as written."""
        try:
            return Money.of(self.text(), currency).minor
        except InvalidError as error:
            raise self.wrong(error.message, error.mend or "Write an amount such as 12.50.") from None

    def rate(self) -> int:
        """A percentage in basis points: `10 %`, `10%`, `10.5` and so on."""
        try:
            scaled = Decimal(self.text().removesuffix("%").strip()) * 100
            bps = int(scaled)
        except (InvalidOperation, ValueError, OverflowError):
            raise self.wrong(
                f"{self.text()!r} is not a percentage.", "Write a number such as 10 % or 10.5 %."
            ) from None
        if bps != scaled:
            raise self.wrong("a percentage has at most two decimals.", "Write it as 12.34 %.")
        return bps

    def time(self) -> datetime:
        """A moment; one without an offset is UTC."""
        try:
            found = datetime.fromisoformat(self.text())
        except ValueError:
            raise self.wrong(
                f"{self.text()!r} is not a time.", "Write a time such as 2026-11-25T10:00:00+01:00."
            ) from None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def read_file(file: Path) -> Spot:
    """The whole file as a value."""
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise Spot("", file, 1, "").wrong("the file is not UTF-8 text.", "Save it as UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 1
        raise Spot("", file, line, "").wrong(
            f"this is not YAML: {error.problem}.", "Mind the indentation, and quote texts with a colon in them."
        ) from None
    except yaml.YAMLError as error:
        raise Spot("", file, 1, "").wrong(f"this is not YAML: {error}.", "Save it as plain text.") from None
    if node is None:
        raise Spot("", file, 1, "").wrong("the file is empty.", "Write `cases:` with at least one case.")
    return _spot(node, file, "")


def _spot(node: yaml.Node, file: Path, field: str) -> Spot:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return Spot(str(node.value), file, line, field)
    if isinstance(node, yaml.SequenceNode):
        items = [_spot(item, file, f"{field}[{i}]") for i, item in enumerate(node.value, start=1)]
        return Spot(items, file, line, field)
    found: dict[str, Spot] = {}
    for key, value in node.value:
        name = str(key.value)
        at = f"{field}.{name}" if field else name
        spot = _spot(value, file, at)
        if name in found:
            raise spot.wrong(f"{name} stands here twice.", "Keep one of them.")
        # a value on lines of its own is complained about where its name stands
        in_line = Spot(spot.value, file, key.start_mark.line + 1, at) if isinstance(spot.value, str) else spot
        found[name] = in_line
    return Spot(found, file, line, field)
