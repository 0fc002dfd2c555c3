"""What a linked set must hold before it is written: corrections that mirror, exchanges that come in pairs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from capabilities.account.contract import RESOLVING, AccountKind, Exchange, Phase, TransferRequest
from capabilities.account.models import TransferRow
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError


def check_corrections(known: Mapping[str, TransferRow], requests: Sequence[TransferRequest]) -> None:
    """A correction moves at most what it corrects, between the same accounts the other way; each transfer is corrected once."""
    corrected = {row.corrects_id: row.id for row in known.values() if row.corrects_id is not None}
    asked = set[str]()
    for request in requests:
        if request.corrects_id is None:
            continue
        row = known.get(request.corrects_id)
        if row is None or row.phase not in (Phase.SINGLE.value, Phase.POST.value):
            raise MissingError(
                "account.transfer_unknown", f"There is no posted transfer {request.corrects_id!r} to correct."
            )
        if row.id in asked or corrected.get(row.id, request.id) != request.id:
            raise ConflictError("account.corrected_already", f"The transfer {row.id} is corrected already.")
        asked.add(row.id)
        if (
            request.debit is None
            or request.credit is None
            or (request.debit.id, request.credit.id) != (row.credit_account_id, row.debit_account_id)
            or (request.amount_minor or 0) > row.amount_minor
            or request.phase is not Phase.SINGLE
        ):
            raise InvalidError(
                "account.correction_invalid",
                f"The correction of {row.id} does not mirror it.",
                mend="Swap its accounts and move no more than it did.",
            )


def check_exchanges(requests: Sequence[TransferRequest], pending: Mapping[str, TransferRow]) -> None:
    """Currencies are crossed by pairs that name each other and agree on a rate, reserved and resolved together."""
    by_id = {request.id: request for request in requests}
    for request in requests:
        crosses = any(ref is not None and ref.kind is AccountKind.EXCHANGE for ref in (request.debit, request.credit))
        if request.exchange is None and not crosses:
            continue
        if request.exchange is None or not crosses:
            raise _unpaired(request.id)
        other = by_id.get(request.exchange.other_id)
        if other is None or other.exchange != request.exchange.of_other(request.id) or not _is_pair(request, other):
            raise _unpaired(request.id)
    _check_resolved_together(requests, pending)


def _is_pair(one: TransferRequest, other: TransferRequest) -> bool:
    """One half goes into the exchange in its currency, the other comes out in another, at the rate, in the same phase."""
    if one.debit is None or one.credit is None or other.debit is None or other.credit is None or one.exchange is None:
        return False
    goes_in = one.credit.kind is AccountKind.EXCHANGE
    opposite = other.debit.kind is AccountKind.EXCHANGE if goes_in else other.credit.kind is AccountKind.EXCHANGE
    return (
        opposite
        and one.debit.currency != other.debit.currency
        and one.debit.business == other.debit.business
        and (one.phase, one.expires_at) == (other.phase, other.expires_at)
        and one.exchange.fits(one.amount_minor or 0, other.amount_minor or 0)
    )


def _check_resolved_together(requests: Sequence[TransferRequest], pending: Mapping[str, TransferRow]) -> None:
    resolving = {request.pending_id: request for request in requests if request.phase in RESOLVING}
    for id_, row in pending.items():
        if row.exchange_id is None or row.rate_numerator is None or row.rate_denominator is None:
            continue
        one, other = resolving[id_], resolving.get(row.exchange_id)
        held = pending.get(row.exchange_id)
        rate = Exchange(other_id=row.exchange_id, numerator=row.rate_numerator, denominator=row.rate_denominator)
        if other is None or held is None or one.phase is not other.phase:
            raise _unpaired(one.id)
        if one.phase is Phase.POST and not rate.fits(
            one.amount_minor or row.amount_minor, other.amount_minor or held.amount_minor
        ):
            raise _unpaired(one.id)


def _unpaired(id_: str) -> InvalidError:
    return InvalidError(
        "account.exchange_unpaired",
        f"The transfer {id_} crosses currencies without its other half.",
        mend="Exchange by a linked pair through the exchange accounts that names each other and the rate.",
    )
