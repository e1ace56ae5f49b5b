"""The process that runs Alembic for a guarded run: `python -m tidegate.worker`."""
