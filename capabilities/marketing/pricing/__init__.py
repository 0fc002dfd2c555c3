"""Pricing: pure functions from a cart and the rules that fired to a quote, exact to the minor unit.

`begin`, then for each stage `order_facts` and `line_facts` (somebody decides which rules fire) and `apply_stage`, then
`finish`. No I/O and no floats; the same input gives the same quote, byte for byte.
"""

from __future__ import annotations

from capabilities.marketing.pricing.facts import learn_aggregates, line_facts, order_facts
from capabilities.marketing.pricing.quote import content_sha256, finish
from capabilities.marketing.pricing.splitting import share, share_between, split, split_within
from capabilities.marketing.pricing.stages import apply_stage
from capabilities.marketing.pricing.state import ALGORITHM, KNOWN_ALGORITHMS, State, begin, normal_code

__all__ = [
    "ALGORITHM",
    "KNOWN_ALGORITHMS",
    "State",
    "apply_stage",
    "begin",
    "content_sha256",
    "finish",
    "learn_aggregates",
    "line_facts",
    "normal_code",
    "order_facts",
    "share",
    "share_between",
    "split",
    "split_within",
]
