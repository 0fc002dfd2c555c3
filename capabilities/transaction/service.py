"""Service of transaction."""
