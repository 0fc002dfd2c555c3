"""The lines of business: what each does its own way at extension points, and nothing else.

Importing this package registers them all; composition roots (the worker, the web, the command) do. A difference that a
rule or a process variant can express does not belong here.
"""

from capabilities.businesses import finance, logistics, retail, tourism

LINES_OF_BUSINESS = (retail.BUSINESS, finance.BUSINESS, logistics.BUSINESS, tourism.BUSINESS)

__all__ = ["LINES_OF_BUSINESS", "finance", "logistics", "retail", "tourism"]
