"""Runs the service's migrations on a test's database.

Not by way of `env.py`, hence without tidegate: a mistake in the gate should fail its own tests, not all of them.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

from expenses.tables import metadata

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def migrate(url: str, target: str) -> None:
    """Take the database at this URL to `head` or to `base`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    steps = script._downgrade_revs if target == "base" else script._upgrade_revs
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with EnvironmentContext(config, script) as environment, engine.connect() as connection:
        # As in `env.py`: one transaction each, which a revision may step out of (`autocommit_block`), and the tables'
        # convention for names, which is laid over every name that is not in `op.f`.
        environment.configure(
            connection,
            fn=lambda revision, _: steps(target, revision),
            target_metadata=metadata,
            transaction_per_migration=True,
        )
        with environment.begin_transaction():
            environment.run_migrations()
