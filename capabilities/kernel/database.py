"""PostgreSQL through SQLAlchemy: one engine a process, explicit transactions, no lazy loading.

Business functions take a `Session` first and never commit; the edge (an activity, an endpoint) opens `transaction()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

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
    create_engine,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

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


def make_engine(url: str, *, pool_size: int = 12) -> Engine:
    """An engine for the URL; connections are checked before use, so that a restarted server costs one retry."""
    return create_engine(
        normalized_url(url), pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, pool_timeout=10
    )


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


def rows_changed(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE changed: what a conditional update is judged by."""
    return result.rowcount if isinstance(result, CursorResult) else 0
