from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from expenses.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_the_migrations_build_exactly_the_tables_that_the_code_describes(database: str) -> None:
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg2://"))
    options: Mapping[str, object] = {"compare_server_default": True}
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=dict(options)), metadata) == []
    engine.dispose()
