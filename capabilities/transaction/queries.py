"""Queries of transaction."""
