"""When a value of one contract type may stand where another is asked for."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

_LISTS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class Shape:
    """A type without its `None`, and whether `None` may stand there."""

    annotation: Any
    is_nullable: bool = False


ANYTHING = Shape(Any, is_nullable=True)


def shape_of(annotation: Any, *, is_nullable: bool = False) -> Shape:
    """Strip names, `Annotated` and `None` off an annotation."""
    if get_origin(annotation) is Annotated:
        return shape_of(get_args(annotation)[0], is_nullable=is_nullable)
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        nullable = is_nullable or len(parts) < len(get_args(annotation))
        return shape_of(parts[0], is_nullable=nullable) if len(parts) == 1 else Shape(annotation, nullable)
    return Shape(annotation, is_nullable)


def field_of(shape: Shape, name: str) -> Shape | None:
    """The shape of a field; None where the type has none of that name. A field of what may be absent may be absent."""
    if shape.annotation is Any or get_origin(shape.annotation) is dict or shape.annotation is dict:
        return ANYTHING
    if not _is_model(shape.annotation) or name not in shape.annotation.model_fields:
        return None
    return shape_of(shape.annotation.model_fields[name].annotation, is_nullable=shape.is_nullable)


def fields_of(shape: Shape) -> dict[str, tuple[Shape, bool]] | None:
    """Every field with its shape and whether it must be given; None where the type is no model."""
    if not _is_model(shape.annotation):
        return None
    return {
        name: (shape_of(info.annotation), info.is_required()) for name, info in shape.annotation.model_fields.items()
    }


def item_of(shape: Shape) -> Shape | None:
    """The shape of a list's items; None where the type is no list."""
    if get_origin(shape.annotation) not in _LISTS:
        return None
    arguments = [part for part in get_args(shape.annotation) if part is not Ellipsis]
    return shape_of(arguments[0]) if arguments else ANYTHING


def name_of(shape: Shape) -> str:
    """The type as a person would call it."""
    annotation = shape.annotation
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if get_origin(annotation) in _LISTS:
        item = item_of(shape)
        return f"a list of {name_of(item)}" if item is not None else "a list"
    return str(getattr(annotation, "__name__", annotation))


def fits(source: Shape, target: Shape) -> bool:
    """Whether every value of the source type (`None` apart) is one of the target type."""
    give, want = source.annotation, target.annotation
    if Any in (give, want) or give == want:
        return True
    if get_origin(want) in (Union, types.UnionType):
        return any(fits(source, shape_of(part)) for part in get_args(want))
    if get_origin(give) in (Union, types.UnionType):
        return all(fits(shape_of(part), target) for part in get_args(give))
    if get_origin(want) in _LISTS or get_origin(give) in _LISTS:
        given, wanted = item_of(source), item_of(target)
        return given is not None and wanted is not None and fits(given, wanted)
    return _model_fits(source, target) if _is_model(want) else _plain_fits(give, want)


def _plain_fits(give: Any, want: Any) -> bool:
    if get_origin(want) is dict or want is dict:
        return _is_model(give) or get_origin(give) is dict or give is dict
    if get_origin(want) is Literal or get_origin(give) is Literal:
        return _choice_fits(give, want)
    if not (isinstance(give, type) and isinstance(want, type)):
        return False
    if bool in (give, want) or issubclass(want, Enum):
        return give is want
    return issubclass(give, want) or (give is int and want is float)


def literal_fits(value: Any, target: Shape) -> bool:
    """Whether a literal may stand where the target type is asked for."""
    if value is None:
        return target.is_nullable or target.annotation is Any
    try:
        TypeAdapter(target.annotation).validate_python(value)
    except ValidationError:
        return False
    return True


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _model_fits(source: Shape, target: Shape) -> bool:
    if not _is_model(source.annotation):
        return False
    given: Mapping[str, tuple[Shape, bool]] = fields_of(source) or {}
    wanted: Mapping[str, tuple[Shape, bool]] = fields_of(target) or {}
    if target.annotation.model_config.get("extra") == "forbid" and set(given) - set(wanted):
        return False
    for name, (shape, is_required) in wanted.items():
        if name not in given:
            if is_required:
                return False
        elif not fits(given[name][0], shape) or (given[name][0].is_nullable and not shape.is_nullable):
            return False
    return True


def _choice_fits(give: Any, want: Any) -> bool:
    """Literal choices fit where all of them are allowed; a plain text is no choice."""
    if get_origin(give) is not Literal:
        return False
    given = set(get_args(give))
    if get_origin(want) is Literal:
        return given <= set(get_args(want))
    if isinstance(want, type) and issubclass(want, Enum):
        return given <= {member.value for member in want}
    return isinstance(want, type) and all(isinstance(part, want) for part in given)
