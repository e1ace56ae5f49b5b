"""Makes Alembic migrations an operator's explicit decision, and makes them safe."""
