"""Makes Alembic migrations an operator's explicit decision, and makes them safe."""


def guard() -> None:
    """Take the guarded path when Alembic is run by hand. Called once, at the top of `env.py`."""
