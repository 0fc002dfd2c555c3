"""Service of account."""
