"""Logistics: differs by a rule set of its own for order risk, not by code."""

BUSINESS = "logistics"
