"""Queries of settlement."""
