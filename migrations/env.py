"""Alembic's environment: the tables of all capabilities, rules, journal and web access."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

from capabilities.kernel.database import Base
from zhongtai.tables import import_all_tables

import_all_tables()

if context.is_offline_mode():
    context.configure(
        url=context.config.get_main_option("sqlalchemy.url"), target_metadata=Base.metadata, literal_binds=True
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()
