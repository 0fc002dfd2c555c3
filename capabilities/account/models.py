"""Models of account."""
