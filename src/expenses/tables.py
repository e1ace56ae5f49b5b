"""All tables of the service in one place, for Alembic: importing this fills `metadata`."""

from expenses.db import metadata

__all__ = ["metadata"]
