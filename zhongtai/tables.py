"""Every module that declares tables, so that metadata is whole wherever it is needed."""

from __future__ import annotations

import importlib

TABLE_MODULES = (
    "capabilities.kernel.business",
    "capabilities.kernel.idempotency",
    "capabilities.kernel.outbox",
    "capabilities.user.models",
    "capabilities.transaction.models",
    "capabilities.transaction.after_sale_models",
    "capabilities.transaction.offer_prices",
    "capabilities.marketing.models",
    "capabilities.marketing.price_models",
    "capabilities.payment.models",
    "capabilities.payment.schedule_models",
    "capabilities.account.models",
    "capabilities.settlement.models",
    "capabilities.settlement.models_payout",
    "capabilities.settlement.models_reconciliation",
    "rules.models",
    "activities.journal.models",
    "activities.webhooks.models",
    "web.access.models",
    "web.api.models",
)


def import_all_tables() -> None:
    """Import the modules; afterwards `Base.metadata` holds every table."""
    for module in TABLE_MODULES:
        importlib.import_module(module)
