"""Accounts and transfers for the tests of the ledger."""

from __future__ import annotations

from capabilities.account.contract import AccountKind, AccountRef, Origin, Phase, TransferRequest
from capabilities.account.service import post_transfers

ORIGIN = Origin(actor="tester", correlation_id="cor_1")


def account(kind: AccountKind, party: str = "", currency: str = "CNY", business: str = "retail") -> AccountRef:
    return AccountRef(business=business, kind=kind, party=party, currency=currency)


BANK = account(AccountKind.BANK)
TRANSIT = account(AccountKind.SALES_IN_TRANSIT)
WALLET = account(AccountKind.BUYER_WALLET, "ann")
OTHER_WALLET = account(AccountKind.BUYER_WALLET, "bob")


def move(
    id_: str, debit: AccountRef, credit: AccountRef, amount: int, phase: Phase = Phase.SINGLE, **more
) -> TransferRequest:
    about = {"subject": "s", "reason": "test"} | more
    return TransferRequest(id=id_, debit=debit, credit=credit, amount_minor=amount, phase=phase, **about)


def resolve(id_: str, phase: Phase, pending_id: str, amount: int | None = None) -> TransferRequest:
    return TransferRequest(id=id_, phase=phase, pending_id=pending_id, amount_minor=amount, subject="s", reason="test")


def post(session, *requests):
    return post_transfers(session, requests, origin=ORIGIN)
