"""An Alembic project as it stands: its configuration, its revision files, its `env.py`."""
