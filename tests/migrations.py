"""Runs the service's migrations on a test's database.

Not by way of `env.py`, hence without tidegate: a mistake in the gate should fail its own tests, not all of them.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

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
        # One transaction each, as in `env.py`: a revision may step out of its own (`autocommit_block`).
        environment.configure(
            connection, fn=lambda revision, _: steps(target, revision), transaction_per_migration=True
        )
        with environment.begin_transaction():
            environment.run_migrations()
