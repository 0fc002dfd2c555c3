"""PostgreSQL through SQLAlchemy: one engine a process, explicit transactions, no lazy loading.

Business functions take a `Session` first and never commit; the edge (an activity, an endpoint) opens `transaction()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from time import monotonic
from typing import Any, cast

import psycopg
from sqlalchemy import (
    BigInteger,
    Boolean,
    CursorResult,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Result,
    String,
    Table,
    create_engine,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from capabilities.kernel.errors import UnavailableError
from capabilities.kernel.settings import settings

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Root of all tables. Strings are text-like, integers 64 bits, times aware, dictionaries and lists JSONB."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's declared form
        str: String(),
        int: BigInteger(),
        bool: Boolean(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: JSONB(),
    }


def table_of(row: type[Base]) -> Table:
    """The table of a row class: statements on it go past the mapper, which is twice as fast."""
    return cast("Table", row.__table__)


class BusinessRow:
    """Mixin: the business column that every row of ours carries from the first day."""

    business: Mapped[str] = mapped_column(String(40))


SmallInt = Integer


def normalized_url(url: str) -> str:
    """The URL with the psycopg 3 driver named, whatever form (`postgres://`, `postgresql://`) it came in."""
    for prefix in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


RESTED_S = 1.0
"""A connection that has rested longer is asked whether it lives before it is used; a busy one has just shown it."""

STATEMENTS_PREPARED = 500
"""Prepared statements a connection keeps: more than a checkout has different ones, or each pushes another out."""


def make_engine(url: str, *, pool_size: int = 12) -> Engine:
    """An engine for the URL; rested connections are checked before use, so that a restarted server costs one retry."""
    made = create_engine(
        normalized_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
    )
    event.listen(made, "connect", _keep_prepared)
    event.listen(made, "checkin", _note_time)
    event.listen(made, "checkout", _check_rested)
    return made


def _keep_prepared(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    del record
    connection.prepared_max = STATEMENTS_PREPARED


def _note_time(connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    del connection
    record.info["used_at"] = monotonic()


def _check_rested(connection: DBAPIConnection, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    """As the pool's own check before each use, but only after a rest: it costs a round trip."""
    del proxy
    if monotonic() - record.info.get("used_at", monotonic()) < RESTED_S:
        return
    try:
        connection.cursor().execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise InvalidatePoolError from error  # the pool drops all its connections and tries with a new one


@lru_cache
def engine() -> Engine:
    """The process's engine. Raises `UnavailableError` when no database is configured."""
    url = settings().database_url
    if url is None:
        raise UnavailableError(
            "database.not_configured", "DATABASE_URL is not set.", mend="Run `make up`, or set DATABASE_URL."
        )
    return make_engine(url)


@lru_cache
def session_factory() -> sessionmaker[Session]:
    """Sessions that keep loaded values after a commit: what was read stays readable."""
    return sessionmaker(engine(), expire_on_commit=False)


@contextmanager
def transaction() -> Iterator[Session]:
    """One transaction: commits at the end, rolls back on any error."""
    with session_factory()() as session, session.begin():
        yield session


_KEPT = "kept_until_the_end"


def kept(session: Session, what: str) -> dict[Any, Any]:
    """What this transaction has read or written itself, by key, so that later steps of it need not read it again.

    Forgotten when the transaction ends, and with any rollback, a savepoint's too. Only for what cannot change meanwhile,
    or what is changed under a condition that is checked.
    """
    found: dict[Any, Any] = session.info.setdefault(_KEPT, {}).setdefault(what, {})
    return found


@event.listens_for(Session, "after_soft_rollback")
def _forget_after_rollback(session: Session, previous: SessionTransaction) -> None:
    del previous
    session.info.pop(_KEPT, None)


@event.listens_for(Session, "after_commit")
def _forget_after_commit(session: Session) -> None:
    session.info.pop(_KEPT, None)


def rows_changed(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE changed: what a conditional update is judged by."""
    return result.rowcount if isinstance(result, CursorResult) else 0
