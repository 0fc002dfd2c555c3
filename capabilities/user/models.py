"""Models of user."""
