"""Journal queries."""
