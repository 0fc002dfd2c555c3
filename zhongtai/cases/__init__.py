"""Pricing cases: files an analyst writes, read exactly and compared field by field. The format is told in docs/cases.md."""
