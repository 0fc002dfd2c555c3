"""Queries of marketing."""
