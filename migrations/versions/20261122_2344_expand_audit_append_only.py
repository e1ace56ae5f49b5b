"""Refuse to change, delete or truncate the record of changes, whoever asks.

Deploy step: before the new code starts; the old code only inserts.
Locks: `audit_event` and `audit_seal` against writes until the commit, to make the triggers: milliseconds.

What is let through is what the foreign key deletes after a whole workspace: a deletion from within another one
(depth above 1) whose workspace is already gone. Whoever owns the tables can drop the triggers; the chain is for that.
"""

from __future__ import annotations

from alembic import op

revision = "20261122_2344"
down_revision = "20261122_2343"
branch_labels = None
depends_on = None
phase = "expand"

FUNCTION = """
CREATE FUNCTION refuse_rewriting_the_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND pg_trigger_depth() > 1
     AND NOT EXISTS (SELECT FROM workspace WHERE id = OLD.workspace_id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'Record a correction as a new event. See docs/audit.md.';
END $$
"""


def upgrade() -> None:
    op.execute(FUNCTION)
    for table in ("audit_event", "audit_seal"):
        op.execute(
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_rewriting_the_record()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_is_not_truncated BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting_the_record()"
        )


def downgrade() -> None:
    for table in ("audit_event", "audit_seal"):
        op.execute(f"DROP TRIGGER {table}_only_grows ON {table}")
        op.execute(f"DROP TRIGGER {table}_is_not_truncated ON {table}")
    op.execute("DROP FUNCTION refuse_rewriting_the_record()")
