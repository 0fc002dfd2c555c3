"""Queries of account."""
