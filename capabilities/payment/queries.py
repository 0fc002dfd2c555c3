"""Queries of payment."""
