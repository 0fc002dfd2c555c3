"""Where a line of business may pay its own way: which provider takes which method."""

from __future__ import annotations

from collections.abc import Callable

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.extension import ExtensionPoint
from capabilities.payment.providers import stripe
from capabilities.payment.providers.protocol import Provider
from capabilities.payment.providers.simulator import NAME, Simulator, is_simulated
from capabilities.payment.providers.simulator_statement import fee_of

_PROVIDERS: dict[str, Provider] = {NAME: Simulator(), stripe.NAME: stripe.Stripe()}
_TAKES: dict[str, Callable[[str], bool]] = {NAME: is_simulated, stripe.NAME: stripe.takes}
"""By provider: whether it takes a payment method."""


def _route(method: str) -> str:
    """Which provider takes a payment method: the simulator takes `sim_…`, Stripe `pm_…` where it is set up."""
    for name, takes in _TAKES.items():
        if takes(method):
            return name
    raise InvalidError(
        "payment.method_unknown",
        f"There is no payment method {method!r}.",
        mend="Use a method the line of business offers, such as sim_ok.",
        field="payment_method",
    )


def _as_published(provider: str, kind: str, amount_minor: int, currency: str) -> int | None:
    """The simulator's schedule of fees; what others take is not known here, and their statements are believed."""
    del currency
    return fee_of(kind, amount_minor) if provider == NAME else None


provider_fee: ExtensionPoint[[str, str, int, str], int | None] = ExtensionPoint("payment.provider_fee", _as_published)
"""What a provider is to take for an act (charge, refund, chargeback …) of so much; None: not known, so not compared."""
provider_of_method = ExtensionPoint("payment.provider_of_method", _route)


def add_provider(name: str, provider: Provider, takes: Callable[[str], bool] = lambda _: False) -> None:
    """Make a provider known under its name. One that takes no method of itself is used where rules send payments to it."""
    _PROVIDERS[name] = provider
    _TAKES[name] = takes


def find_provider(name: str) -> Provider:
    """The provider of that name."""
    try:
        return _PROVIDERS[name]
    except KeyError:
        raise InvalidError("payment.provider_unknown", f"There is no payment provider {name!r}.") from None
