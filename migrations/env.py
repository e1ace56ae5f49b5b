"""How Alembic reaches the database. Every door leads through tidegate, a bare `alembic upgrade head` too."""

from __future__ import annotations

from logging.config import fileConfig
from typing import Any

from alembic import context
from sqlalchemy import create_engine, make_url, pool

import tidegate
from expenses.config import Settings
from expenses.tables import metadata

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

tidegate.guard()

options: dict[str, Any] = {
    "target_metadata": metadata,
    "compare_server_default": True,
    "transaction_per_migration": True,
}

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    url = context.config.get_main_option("sqlalchemy.url") or Settings.load().owners_url()
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
