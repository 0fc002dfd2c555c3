"""How an amount is shared over the sources of a payment: pure, and exact to the last minor unit."""

from __future__ import annotations

from collections.abc import Sequence

from capabilities.kernel.errors import InvalidError, RefusedError
from capabilities.kernel.money import split_minor
from capabilities.payment.contract import MAX_SOURCES, AskedSource


def allot(total_minor: int, asked: Sequence[AskedSource]) -> tuple[int, ...]:
    """What each source pays. Stated amounts are taken as they are; the one that states none pays the rest.

    Raises `InvalidError` where they do not add up to the total.
    """
    if not 0 < len(asked) <= MAX_SOURCES:
        raise InvalidError("payment.sources_invalid", f"An order is paid from 1 to {MAX_SOURCES} sources.")
    if sum(source.amount_minor is None for source in asked) > 1:
        raise InvalidError("payment.sources_invalid", "Only one source can pay the rest.", field="payments")
    stated = sum(source.amount_minor or 0 for source in asked)
    rest = total_minor - stated
    takes_rest = any(source.amount_minor is None for source in asked)
    if rest < 0 or (rest > 0 and not takes_rest):
        raise InvalidError(
            "payment.sources_do_not_add_up",
            f"The sources pay {stated}, and {total_minor} is due.",
            mend="Let one source pay the rest: leave its amount out."
            if rest > 0
            else "Take less from the sources that state an amount.",
            field="payments",
            stated_minor=stated,
            total_minor=total_minor,
        )
    return tuple(rest if source.amount_minor is None else source.amount_minor for source in asked)


def share_back(amount_minor: int, left: Sequence[int]) -> tuple[int, ...]:
    """What goes back to each source, in proportion to what is left of it; ties to the earlier one in the recorded order.

    Exact, and never more than is left: with the weights for limits, largest remainders cannot pass them. Raises
    `RefusedError` for more than is left of all.
    """
    whole = sum(left)
    if amount_minor <= 0 or min(left, default=0) < 0:
        raise InvalidError("payment.refund_invalid", "An amount to give back is above zero.", field="amount_minor")
    if amount_minor > whole:
        raise RefusedError(
            "payment.refund_too_large",
            f"Of this order {whole} can still be given back, not {amount_minor}.",
            mend="Ask for what is left; refunds that are under way count as given back.",
            left_minor=whole,
            amount_minor=amount_minor,
        )
    return tuple(split_minor(amount_minor, left))
