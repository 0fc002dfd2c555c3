"""The one permission table: which role may do what. What is not written here is forbidden."""

from __future__ import annotations

from enum import StrEnum

from web.access.contract import OperatorSeen, Role


class Action(StrEnum):
    """Everything a console route may need. Each route names exactly one."""

    SEE_TODAY = "see_today"
    SEE_RULES = "see_rules"
    TRY_RULES = "try_rules"
    EDIT_RULES = "edit_rules"
    SUBMIT_RULES = "submit_rules"
    APPROVE_RULES = "approve_rules"
    ROLL_BACK_RULES = "roll_back_rules"
    SEE_ORDERS = "see_orders"
    REVIEW_ORDERS = "review_orders"
    SEE_PROCESSES = "see_processes"
    REPAIR_PROCESSES = "repair_processes"
    SEE_MONEY = "see_money"
    SEE_APPROVALS = "see_approvals"
    SEE_CATALOGUE = "see_catalogue"
    SEE_PEOPLE = "see_people"
    SEE_AUDIT = "see_audit"


_EVERYBODY = frozenset(Role)

PERMISSIONS: dict[Action, frozenset[Role]] = {
    Action.SEE_TODAY: _EVERYBODY,
    Action.SEE_RULES: _EVERYBODY,
    Action.SEE_ORDERS: _EVERYBODY,
    Action.SEE_PROCESSES: _EVERYBODY,
    Action.SEE_APPROVALS: _EVERYBODY,
    Action.SEE_CATALOGUE: _EVERYBODY,
    Action.TRY_RULES: frozenset({Role.EDITOR, Role.APPROVER, Role.ADMIN, Role.AUDITOR}),
    Action.EDIT_RULES: frozenset({Role.EDITOR, Role.ADMIN}),
    Action.SUBMIT_RULES: frozenset({Role.EDITOR, Role.ADMIN}),
    Action.APPROVE_RULES: frozenset({Role.APPROVER, Role.ADMIN}),
    Action.ROLL_BACK_RULES: frozenset({Role.APPROVER, Role.ADMIN}),
    Action.REVIEW_ORDERS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.REPAIR_PROCESSES: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.SEE_MONEY: frozenset({Role.OPERATOR, Role.ADMIN, Role.AUDITOR}),
    Action.SEE_PEOPLE: frozenset({Role.ADMIN, Role.AUDITOR}),
    Action.SEE_AUDIT: frozenset({Role.ADMIN, Role.AUDITOR}),
}


def roles_for(action: Action) -> frozenset[Role]:
    """Who may; nobody where the table is silent."""
    return PERMISSIONS.get(action, frozenset())


def may(operator: OperatorSeen, business: str, action: Action) -> bool:
    """Whether the person may do it in this line of business."""
    return bool(operator.roles_in(business) & roles_for(action))
