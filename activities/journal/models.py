"""Journal models."""
