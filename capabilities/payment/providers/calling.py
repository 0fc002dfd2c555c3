"""Calling a provider: inside a hard limit, and never a second time before asking what became of the first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from capabilities.kernel.errors import UnavailableError
from capabilities.payment.providers.protocol import Outcome, Provider, ProviderCall, ProviderReport

Answer = TypeVar("Answer")


def within(limit_s: float, call: Callable[[], Answer]) -> Answer | None:
    """The call's result, or None when it took longer than the limit. What it raises is raised.

    The thread is a daemon: a provider that never answers must not keep a worker from stopping.
    """
    results: list[Answer] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as error:  # noqa: BLE001 - carried to the caller's thread and raised there
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="provider-call")
    thread.start()
    thread.join(limit_s)
    if errors:
        raise errors[0]
    return results[0] if results else None


def send(provider: Provider, call: ProviderCall, *, limit_s: float, may_be_sent: bool) -> tuple[ProviderReport, ...]:
    """Send an order. An empty result means that the outcome is unknown: the limit passed, or the connection broke.

    `may_be_sent` says that an earlier attempt may have reached the provider; then the key is looked up before anything
    is sent, and nothing is sent while the provider knows it.
    """
    try:
        if may_be_sent:
            found = look_up(provider, call, limit_s=limit_s)
            if found is not None:
                return _final(found)
        return _final(*(within(limit_s, lambda: provider.send(call)) or ()))
    except (OSError, UnavailableError):
        return ()


def look_up(provider: Provider, call: ProviderCall, *, limit_s: float) -> ProviderReport | None:
    """What became of a call; None where the provider never heard of its key. `UnavailableError` where it did not say."""
    try:
        answered = within(limit_s, lambda: (provider.look_up(call),))
    except OSError as error:
        raise _silent() from error
    if answered is None:
        raise _silent()
    return answered[0]


def _final(*reports: ProviderReport) -> tuple[ProviderReport, ...]:
    return tuple(report for report in reports if report.outcome is not Outcome.PROCESSING)


def _silent() -> UnavailableError:
    return UnavailableError("payment.provider_silent", "The payment provider did not answer.")
