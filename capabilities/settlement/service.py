"""Service of settlement."""
