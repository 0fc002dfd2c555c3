"""Finance: differs by a process variant (`workflows/processes/checkout.finance.yaml`), not by code."""

BUSINESS = "finance"
