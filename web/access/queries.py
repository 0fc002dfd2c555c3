"""Reads of access: people, by id, name, role."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from capabilities.kernel.identity import PLATFORM
from web.access.contract import Language, OperatorSeen, Role, Theme
from web.access.models import Operator, OperatorRole


def find_by_email(session: Session, email: str) -> Operator | None:
    return session.scalars(select(Operator).where(Operator.email == email)).first()


def operator_seen(session: Session, operator: Operator) -> OperatorSeen:
    """The person with their roles."""
    return _seen(operator, list(session.scalars(select(OperatorRole).where(OperatorRole.operator_id == operator.id))))


def people(session: Session, business: str | None = None) -> list[OperatorSeen]:
    """Active people by name; with roles in one line of business (or everywhere), or all for None."""
    roles: dict[str, list[OperatorRole]] = defaultdict(list)
    for role in session.scalars(select(OperatorRole)):
        roles[role.operator_id].append(role)
    found = session.scalars(select(Operator).where(Operator.is_active).order_by(Operator.name))
    seen = [_seen(operator, roles[operator.id]) for operator in found]
    return [person for person in seen if business is None or person.roles_in(business)]


def demo_people(session: Session) -> list[OperatorSeen]:
    """The demo accounts, for the sign-in page of demo mode."""
    return [person for person in people(session) if person.is_demo]


def people_with(session: Session, business: str, roles: frozenset[Role]) -> list[OperatorSeen]:
    """Who has one of the roles there: shown beside a control that somebody else may use."""
    return [person for person in people(session, business) if person.roles_in(business) & roles]


def names_of(session: Session, ids: set[str]) -> dict[str, str]:
    """Names by id; an id that is nobody's is left out."""
    return {
        operator.id: operator.name for operator in session.scalars(select(Operator).where(Operator.id.in_(ids or {""})))
    }


def _seen(operator: Operator, rows: list[OperatorRole]) -> OperatorSeen:
    roles: dict[str, tuple[Role, ...]] = {}
    for row in sorted(rows, key=lambda row: (row.business != PLATFORM, row.business, row.role)):
        roles[row.business] = (*roles.get(row.business, ()), Role(row.role))
    return OperatorSeen(
        id=operator.id,
        email=operator.email,
        name=operator.name,
        language=Language(operator.language),
        theme=Theme(operator.theme),
        roles=roles,
        is_demo=operator.is_demo,
        last_business=operator.last_business,
    )
