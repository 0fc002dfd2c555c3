"""Where a line of business may settle its own way: commission, waiting time, minimum, calendar, where a seller is paid."""

from __future__ import annotations

from collections.abc import Sequence

from capabilities.kernel.errors import MissingError
from capabilities.kernel.extension import ExtensionPoint
from capabilities.settlement.banks.protocol import Bank
from capabilities.settlement.banks.simulator import NAME as SIMULATOR
from capabilities.settlement.banks.simulator import SimulatedBank
from capabilities.settlement.contract import CommissionRate, Maturing, SoldLine, StoredRate

STANDARD_RATE = CommissionRate(rate_bps=500, reason="platform standard")
STANDARD_MATURING = Maturing()


def _most_specific(line: SoldLine, rates: Sequence[StoredRate]) -> CommissionRate:
    """The stored rate that fits best: seller and category, seller, nearest category, the business; else 5 %."""
    fitting = [rate for rate in rates if _fits(rate, line)]
    best = max(fitting, key=_closeness, default=None)
    return STANDARD_RATE if best is None else best.rate


def _closeness(rate: StoredRate) -> tuple[bool, int, bool, str]:
    return (rate.seller_id is not None, len(rate.category or ""), rate.currency is not None, rate.id)


def _fits(rate: StoredRate, line: SoldLine) -> bool:
    covers = rate.category is None or line.category == rate.category or line.category.startswith(f"{rate.category}/")
    # a flat part in one currency means nothing in another
    spoken = rate.currency is None or line.currency in (None, rate.currency)
    return covers and spoken and rate.seller_id in (None, line.seller_id)


def _standard_maturing() -> Maturing:
    """Sellers are paid seven business days after the order was confirmed, from any sum, nothing kept in reserve."""
    return STANDARD_MATURING


def _seller_itself(seller_id: str, currency: str) -> str:
    """Where a seller without a declared account is paid: under its own id, which the bank knows."""
    del currency
    return seller_id


def _one_day() -> int:
    """For how many hours past its own rows a statement may still lack one before that is called a mistake: a day."""
    return 24


def _ten_thousand() -> int:
    """Differences above 100.00 are accepted or ignored by two people."""
    return 100_00


commission_rate = ExtensionPoint("settlement.commission_rate", _most_specific)
maturing = ExtensionPoint("settlement.maturing", _standard_maturing)
payout_destination = ExtensionPoint("settlement.payout_destination", _seller_itself)
patience_hours = ExtensionPoint("settlement.patience_hours", _one_day)
alone_up_to_minor = ExtensionPoint("settlement.alone_up_to", _ten_thousand)

_BANKS: dict[str, Bank] = {SIMULATOR: SimulatedBank()}


def register_bank(name: str, bank: Bank) -> None:
    """Add a bank; a second one of a name replaces the first."""
    _BANKS[name] = bank


def bank_named(name: str) -> Bank:
    """The bank of a name; `MissingError` where there is none."""
    try:
        return _BANKS[name]
    except KeyError:
        raise MissingError("settlement.bank_unknown", f"There is no bank {name!r}.") from None


def _simulated() -> str:
    """The bank that pays sellers: the simulated one."""
    return SIMULATOR


paying_bank = ExtensionPoint("settlement.bank", _simulated)
