"""Where a line of business may pay its own way: which provider takes which method."""

from __future__ import annotations

from capabilities.kernel.errors import InvalidError
from capabilities.kernel.extension import ExtensionPoint
from capabilities.kernel.settings import settings
from capabilities.payment.providers import stripe
from capabilities.payment.providers.protocol import Provider
from capabilities.payment.providers.simulator import NAME, Simulator, is_simulated

_PROVIDERS: dict[str, Provider] = {NAME: Simulator(), stripe.NAME: stripe.Stripe()}


def _route(method: str) -> str:
    """Which provider takes a payment method: the simulator takes `sim_…`, Stripe `pm_…` where it is set up."""
    if is_simulated(method):
        return NAME
    if method.startswith(stripe.PREFIX) and settings().stripe_api_key is not None:
        return stripe.NAME
    raise InvalidError(
        "payment.method_unknown",
        f"There is no payment method {method!r}.",
        mend="Use a method the line of business offers, such as sim_ok.",
        field="payment_method",
    )


provider_of_method = ExtensionPoint("payment.provider_of_method", _route)


def add_provider(name: str, provider: Provider) -> None:
    """Make a provider known under its name."""
    _PROVIDERS[name] = provider


def find_provider(name: str) -> Provider:
    """The provider of that name."""
    try:
        return _PROVIDERS[name]
    except KeyError:
        raise InvalidError("payment.provider_unknown", f"There is no payment provider {name!r}.") from None
