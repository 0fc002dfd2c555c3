"""Calling a bank: inside a hard limit, and after a broken attempt never without asking first what became of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from capabilities.kernel.errors import UnavailableError
from capabilities.settlement.banks.protocol import Bank, BankOrder, BankOutcome, BankReport

Answer = TypeVar("Answer")
LIMIT_S = 5.0


def pay(bank: Bank, order: BankOrder, *, may_be_sent: bool, limit_s: float = LIMIT_S) -> BankReport | None:
    """Order the payment; None means that its outcome is not known.

    `may_be_sent`: an earlier attempt may have arrived. Then the bank is asked for the key first, and the order goes out
    only if it never arrived, or if what failed was an earlier attempt.
    """
    if may_be_sent:
        found = _asked(lambda: (bank.look_up(order.key),), limit_s)
        if found is None:
            raise UnavailableError("settlement.bank_silent", "The bank did not say what became of the payout.")
        known = found[0]
        if known is not None and not (known.outcome is BankOutcome.FAILED and known.attempt < order.attempt):
            return None if known.outcome is BankOutcome.PROCESSING else known
    answered = _asked(lambda: (bank.pay(order),), limit_s)
    report = None if answered is None else answered[0]
    return None if report is None or report.outcome is BankOutcome.PROCESSING else report


def _asked(call: Callable[[], Answer], limit_s: float) -> Answer | None:
    """What the bank answered, or None where the limit passed or the connection broke. Other errors are ours: raised."""
    answers: list[Answer] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(call())
        except (OSError, UnavailableError):
            pass
        except Exception as error:  # noqa: BLE001 - carried to the caller's thread and raised there
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="bank-call")
    thread.start()
    thread.join(limit_s)
    if errors:
        raise errors[0]
    return answers[0] if answers else None
