"""Models of transaction."""
