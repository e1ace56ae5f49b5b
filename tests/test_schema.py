"""The migrations build what the code describes, and go back."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, NullPool, create_engine, text
from tests.migrations import migrate

from expenses.tables import metadata


def differences(url: str) -> list[object]:
    """What `alembic check` would complain about."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, metadata))


def test_the_migrations_build_exactly_the_tables_that_the_code_describes(database: str) -> None:
    assert differences(database) == []


def test_every_migration_can_be_taken_back_and_done_again(database: str) -> None:
    migrate(database, "base")
    assert len(differences(database)) >= len(metadata.tables)
    migrate(database, "head")
    assert differences(database) == []


def test_every_check_has_the_name_that_the_code_gives_it(database: str) -> None:
    engine = create_engine(database.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0")
        ).all()
    here = {(table, name) for table, name in found if table in metadata.tables}
    convention = {
        (table.name, str(check.name))
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert here == {(table, name if name.startswith(table) else f"{table}_{name}_check") for table, name in convention}
