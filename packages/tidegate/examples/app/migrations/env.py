"""Alembic's environment: the line of tidegate, and what Alembic's own template has."""

import os

from alembic import context
from sqlalchemy import create_engine, pool

import tidegate

tidegate.guard()

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
engine = create_engine(url, poolclass=pool.NullPool)

with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
