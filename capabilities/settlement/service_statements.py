"""Writes of statements: what was issued to whom, with the hash of what it says."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.errors import InvalidError
from capabilities.settlement.contract import IssuedStatement, SellerStatement
from capabilities.settlement.models_payout import SellerStatementRow
from capabilities.settlement.queries_statement import issued_from, statement_for_payout, statement_for_time


def issue_for_payout(session: Session, payout_id: str) -> IssuedStatement:
    """Issue the statement of a paid payout, once."""
    return _issue(session, statement_for_payout(session, payout_id))


def issue_for_days(
    session: Session, business: str, *, seller_id: str, currency: str, first: date, last: date
) -> IssuedStatement:
    """Issue a seller's statement over days in the business's zone, both included; again: as the days stand by then."""
    if last < first:
        raise InvalidError("settlement.days_reversed", "The last day lies before the first.", field="last_day")
    zone = business_of(session, business).zone
    starts_at = datetime.combine(first, time(), tzinfo=zone).astimezone(UTC)
    ends_at = datetime.combine(last + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
    statement = statement_for_time(
        session, business, seller_id=seller_id, currency=currency, starts_at=starts_at, ends_at=ends_at
    )
    return _issue(session, statement)


def content_sha256(statement: SellerStatement) -> str:
    """The hash of what a statement says."""
    return sha256(statement.model_dump_json().encode()).hexdigest()


def _issue(session: Session, statement: SellerStatement) -> IssuedStatement:
    said = {"closing_minor": statement.closing_minor, "content_sha256": content_sha256(statement)}
    session.execute(
        insert(SellerStatementRow)
        .values(issued_at=now(), **said, **statement.model_dump(exclude={"lines", "opening_minor", "closing_minor"}))
        .on_conflict_do_update(index_elements=[SellerStatementRow.id], set_=said)
    )
    return issued_from(session.get_one(SellerStatementRow, statement.id, populate_existing=True))
