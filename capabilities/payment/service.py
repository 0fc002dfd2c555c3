"""Service of payment."""
