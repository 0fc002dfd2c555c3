"""The catalogue: operations, decisions, processes, and who does what their own way."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

import activities
import capabilities.businesses  # noqa: F401 - registers what each line of business does its own way
from activities.catalogue import Operation, operations
from capabilities.kernel.business import all_businesses
from capabilities.kernel.database import transaction
from capabilities.kernel.decision import decisions
from capabilities.kernel.extension import extension_points
from capabilities.kernel.identity import PLATFORM, BusinessIdentity
from rules.vocabulary import effect_words, fact_words
from web.access.permissions import Action
from web.console.edge import ConsoleRoute
from web.console.pages import page
from web.console.visit import Needs, Visit
from workflows.library import definition_for, library

router = APIRouter(route_class=ConsoleRoute)


@lru_cache
def known_operations() -> dict[str, Operation]:
    """Every operation; the modules that declare them are imported on first use."""
    for module in pkgutil.iter_modules(activities.__path__, "activities."):
        if not module.ispkg:
            importlib.import_module(module.name)
    return operations()


@dataclass(frozen=True, slots=True)
class OperationView:
    name: str
    label: str
    is_outside: bool
    changes: bool
    request: tuple[str, ...]
    response: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecisionView:
    name: str
    label: str
    facts: int
    effects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PointView:
    """One extension point or process, and for each business whether it does it its own way."""

    name: str
    summary: str
    ways: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CataloguePage:
    operations: tuple[tuple[str, tuple[OperationView, ...]], ...]
    decisions: tuple[DecisionView, ...]
    businesses: tuple[str, ...]
    points: tuple[PointView, ...]
    processes: tuple[PointView, ...]


@router.get("/console/{business}/catalogue", name="catalogue")
def catalogue(visit: Annotated[Visit, Depends(Needs(Action.SEE_CATALOGUE))]) -> Response:
    zh = visit.operator.language == "zh"
    with transaction() as session:
        rows = all_businesses(session)
    codes = [row.business for row in rows]
    grouped: dict[str, list[OperationView]] = {}
    for name, operation in sorted(known_operations().items()):
        grouped.setdefault(name.partition(".")[0], []).append(
            OperationView(
                name,
                operation.zh if zh else operation.en,
                operation.is_outside,
                operation.changes,
                tuple(operation.request.model_fields),
                tuple(operation.response.model_fields),
            )
        )
    context = CataloguePage(
        operations=tuple((name, tuple(found)) for name, found in grouped.items()),
        decisions=tuple(
            DecisionView(
                name,
                decision.zh if zh else decision.en,
                sum(len(fact_words(name, grain.name)) for grain in decision.grains[-1:]),
                tuple(word.zh if zh else word.en for word in effect_words(name)),
            )
            for name, decision in sorted(decisions().items())
        ),
        businesses=tuple(row.name_zh if zh else row.name_en for row in rows),
        points=tuple(_points(codes)),
        processes=tuple(_processes(codes)),
    )
    return page(visit, "catalogue.html", context)


def _points(codes: list[str]) -> list[PointView]:
    """`own` where a business has a realization of its own, `default` else."""
    found = []
    for name, point in sorted(extension_points().items()):
        own = {identity.business for identity in point.realizations() if identity.business != PLATFORM}
        found.append(PointView(name, point.summary, tuple("own" if code in own else "default" for code in codes)))
    return found


def _processes(codes: list[str]) -> list[PointView]:
    names = sorted({snapshot.definition.process for snapshot in library().values()})
    common = {name: definition_for(name, BusinessIdentity(PLATFORM)).sha256 for name in names}
    return [
        PointView(
            name,
            "",
            tuple(
                "own" if definition_for(name, BusinessIdentity(code)).sha256 != common[name] else "default"
                for code in codes
            ),
        )
        for name in names
    ]
