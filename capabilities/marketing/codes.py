"""How codes look and how hard they are to guess. Pure, but for the randomness of a new code."""

from __future__ import annotations

import math
import secrets

from capabilities.kernel.errors import InvalidError

DIGITS = "23456789"
LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ"
"""Without what looks alike: 0 and O, 1, I and L, U and V."""
PLACES = {"#": DIGITS, "?": LETTERS, "*": DIGITS + LETTERS}

GUESSES_BITS = 20
"""Of a million guesses about one may hit: a code's bits less the bits of how many codes there are."""


def bits_of(pattern: str) -> float:
    """The bits of the space the pattern's codes are drawn from."""
    return sum(math.log2(len(PLACES[place])) for place in pattern if place in PLACES)


def space_of(pattern: str) -> int:
    """How many codes the pattern can make."""
    return math.prod(len(PLACES[place]) for place in pattern if place in PLACES)


def require_unguessable(pattern: str, codes: int) -> float:
    """The pattern's bits; `InvalidError` where trying codes would find one of so many too soon, with how to mend it."""
    bits = bits_of(pattern)
    needed = GUESSES_BITS + math.log2(codes)
    if bits >= needed:
        return bits
    short = needed - bits
    more = {place: math.ceil(short / math.log2(len(PLACES[place]))) for place in ("?", "#")}
    tries = max(1, space_of(pattern) // codes)
    raise InvalidError(
        "marketing.codes_guessable",
        f"The pattern {pattern} has {bits:.1f} bits; {codes:,} codes need {needed:.1f}:"
        f" now about every {tries:,}th guess would hit one.",
        mend=f"Add {more['?']} more letters (?) or {more['#']} more digits (#), or make fewer codes.",
        field="pattern",
        bits=round(bits, 1),
        needed_bits=round(needed, 1),
        more_letters=more["?"],
        more_digits=more["#"],
    )


def new_code(pattern: str) -> str:
    """A code of the pattern, drawn at random, in capitals."""
    return "".join(secrets.choice(PLACES[place]) if place in PLACES else place for place in pattern).upper()
