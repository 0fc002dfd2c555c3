"""Models of payment."""
