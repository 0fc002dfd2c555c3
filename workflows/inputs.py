"""What a process may be started with: the names definitions use under `input`, and their contract types."""

from __future__ import annotations

from pydantic import BaseModel

from capabilities.transaction.contract import CheckoutRequest

ROLES = frozenset({"editor", "approver", "operator", "admin"})
"""Who may be asked for an approval: the roles of people that decide anything."""

INPUTS: dict[str, type[BaseModel]] = {"transaction.checkout": CheckoutRequest}
