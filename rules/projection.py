"""A fact as the text one network is asked with: only integers, only the fields that network knows.

Tables from values to text are filled as values are seen: whatever repeats costs one look-up in a dictionary.
"""

from __future__ import annotations

from typing import Any

from capabilities.kernel.decision import FieldKind
from capabilities.kernel.errors import InvalidError
from rules.compile import NUMERIC, number_of
from rules.index import TableSpec

VALUES_KEPT = 4_096
"""Values a table remembers; a fuller one starts anew, so that unheard-of values cannot fill the memory."""


class Table(dict[Any, str]):
    """From a field's value to the text of its code and memberships, for one network."""

    __slots__ = ("codes", "questions", "spec")

    def __init__(self, spec: TableSpec) -> None:
        super().__init__()
        self.spec = spec
        self.codes = dict(spec.codes)
        self.questions = [(name, membership.question()) for name, membership in spec.memberships]

    def __missing__(self, value: Any) -> str:
        text = self._text(value)
        if len(self) >= VALUES_KEPT:
            self.clear()
        self[value] = text
        return text

    def _text(self, value: Any) -> str:
        if value is None:
            return "".join(f',"{name}":0' for name, _ in self.questions)
        encoded = self._encoded(value)
        code = ""
        if self.spec.short is not None:
            number = encoded if isinstance(encoded, int) else self.codes.get(encoded, -1)
            code = f',"{self.spec.short}":{number}'
        return code + "".join(f',"{name}":{int(question(encoded))}' for name, question in self.questions)

    def _encoded(self, value: Any) -> Any:
        kind = self.spec.kind
        if kind in NUMERIC:
            return number_of(value, kind)
        if kind is FieldKind.SET:
            if not isinstance(value, tuple):
                raise wrong_fact(self.spec.field, value)
        elif not isinstance(value, str):
            raise wrong_fact(self.spec.field, value)
        return value


def number_text(field: str, short: str, value: Any) -> str:
    """The text of a number that is no plain int within the limits: missing, a boolean, or far out."""
    if value is None:
        return ""
    if not isinstance(value, int):
        raise wrong_fact(field, value)
    return f',"{short}":{number_of(value, FieldKind.NUMBER)}'


def wrong_fact(field: str, value: Any) -> InvalidError:
    """A fact whose value is not of its field's kind."""
    return InvalidError("rules.fact_wrong", f"{field} cannot be {value!r}.", field=field)
