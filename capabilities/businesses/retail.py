"""Retail: the platform's own manner throughout; what it sells for less, its promotion rules say."""

BUSINESS = "retail"
