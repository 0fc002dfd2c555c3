"""Service of user."""
