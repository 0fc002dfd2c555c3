"""Queries of user."""
