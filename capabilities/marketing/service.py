"""Service of marketing."""
