"""A small shop that knows the platform only by its public HTTP API."""
