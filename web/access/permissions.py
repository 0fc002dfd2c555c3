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
    REFUND_ORDERS = "refund_orders"
    CHANGE_ORDERS = "change_orders"
    SEE_CUSTOMERS = "see_customers"
    CHANGE_CUSTOMERS = "change_customers"
    ERASE_CUSTOMERS = "erase_customers"
    SEE_CAMPAIGNS = "see_campaigns"
    CHANGE_CAMPAIGNS = "change_campaigns"
    SEE_COUPONS = "see_coupons"
    CHANGE_COUPONS = "change_coupons"
    SEE_PRICES = "see_prices"
    CHANGE_PRICES = "change_prices"
    SEE_GIFT_CARDS = "see_gift_cards"
    CHANGE_GIFT_CARDS = "change_gift_cards"
    GRANT_POINTS = "grant_points"
    SEE_PROCESSES = "see_processes"
    REPAIR_PROCESSES = "repair_processes"
    SEE_MONEY = "see_money"
    CORRECT_LEDGER = "correct_ledger"
    RUN_PAYOUTS = "run_payouts"
    HOLD_MONEY = "hold_money"
    SET_SETTLEMENT = "set_settlement"
    ISSUE_STATEMENTS = "issue_statements"
    RECONCILE = "reconcile"
    SEE_WEBHOOKS = "see_webhooks"
    KEEP_WEBHOOKS = "keep_webhooks"
    RESEND_WEBHOOKS = "resend_webhooks"
    SEE_APPROVALS = "see_approvals"
    DECIDE_APPROVALS = "decide_approvals"
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
    Action.SEE_CAMPAIGNS: _EVERYBODY,
    Action.SEE_COUPONS: _EVERYBODY,
    Action.SEE_PRICES: _EVERYBODY,
    Action.TRY_RULES: frozenset({Role.EDITOR, Role.APPROVER, Role.ADMIN, Role.AUDITOR}),
    Action.EDIT_RULES: frozenset({Role.EDITOR, Role.ADMIN}),
    Action.SUBMIT_RULES: frozenset({Role.EDITOR, Role.ADMIN}),
    Action.APPROVE_RULES: frozenset({Role.APPROVER, Role.ADMIN}),
    Action.ROLL_BACK_RULES: frozenset({Role.APPROVER, Role.ADMIN}),
    Action.REVIEW_ORDERS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.REFUND_ORDERS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.CHANGE_ORDERS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.SEE_CUSTOMERS: frozenset({Role.APPROVER, Role.OPERATOR, Role.ADMIN, Role.AUDITOR}),
    Action.CHANGE_CUSTOMERS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.ERASE_CUSTOMERS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.DECIDE_APPROVALS: frozenset({Role.EDITOR, Role.APPROVER, Role.OPERATOR, Role.ADMIN}),
    Action.CHANGE_CAMPAIGNS: frozenset({Role.EDITOR, Role.ADMIN}),
    Action.CHANGE_COUPONS: frozenset({Role.EDITOR, Role.ADMIN}),
    Action.CHANGE_PRICES: frozenset({Role.EDITOR, Role.ADMIN}),
    Action.SEE_GIFT_CARDS: frozenset({Role.OPERATOR, Role.ADMIN, Role.AUDITOR}),
    Action.CHANGE_GIFT_CARDS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.GRANT_POINTS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.REPAIR_PROCESSES: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.SEE_MONEY: frozenset({Role.APPROVER, Role.OPERATOR, Role.ADMIN, Role.AUDITOR}),
    Action.CORRECT_LEDGER: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.RUN_PAYOUTS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.HOLD_MONEY: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.SET_SETTLEMENT: frozenset({Role.ADMIN}),
    Action.ISSUE_STATEMENTS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.RECONCILE: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.SEE_WEBHOOKS: frozenset({Role.OPERATOR, Role.ADMIN, Role.AUDITOR}),
    Action.KEEP_WEBHOOKS: frozenset({Role.ADMIN}),
    Action.RESEND_WEBHOOKS: frozenset({Role.OPERATOR, Role.ADMIN}),
    Action.SEE_PEOPLE: frozenset({Role.ADMIN, Role.AUDITOR}),
    Action.SEE_AUDIT: frozenset({Role.ADMIN, Role.AUDITOR}),
}


def roles_for(action: Action) -> frozenset[Role]:
    """Who may; nobody where the table is silent."""
    return PERMISSIONS.get(action, frozenset())


def may(operator: OperatorSeen, business: str, action: Action) -> bool:
    """Whether the person may do it in this line of business."""
    return bool(operator.roles_in(business) & roles_for(action))
