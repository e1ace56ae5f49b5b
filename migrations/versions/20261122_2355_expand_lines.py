"""Let an expense consist of lines of several categories, and say from which account it was paid.

Deploy step: before the new code starts. The new columns are nullable and without a default, the new constraints on
`expense` are not checked yet: it is locked against writes for milliseconds. An expense without lines costs nothing
more than before: its triggers have a condition, which is all that is looked at.

The sum of the lines is looked at when a transaction commits, so that line after line can be written. Two transactions
that change lines of the same expense at once would each see a right sum that is wrong in the end; therefore whoever
has not written the expense itself writes it then, which makes the second wait for the first, and fail where its
snapshot is older (REPEATABLE READ).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_2355"
down_revision = "20261122_2351"
branch_labels = None
depends_on = None
phase = "expand"

CHECK = """
CREATE FUNCTION expense_line_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    this record;
    lines record;
    the_workspace uuid := coalesce(NEW.workspace_id, OLD.workspace_id);
    the_expense uuid;
BEGIN
    IF TG_TABLE_NAME = 'expense' THEN
        the_expense := NEW.id;
    ELSIF TG_OP = 'DELETE' THEN
        the_expense := OLD.expense_id;
    ELSE
        the_expense := NEW.expense_id;
    END IF;
    SELECT e.amount_minor, e.line_count, e.spent_on, e.xmin = pg_current_xact_id()::xid AS is_ours INTO this
    FROM expense e WHERE e.workspace_id = the_workspace AND e.id = the_expense;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT this.is_ours THEN
        UPDATE expense SET version = version WHERE workspace_id = the_workspace AND id = the_expense;
        SELECT e.amount_minor, e.line_count, e.spent_on INTO this
        FROM expense e WHERE e.workspace_id = the_workspace AND e.id = the_expense;
    END IF;
    SELECT count(*) AS number, sum(amount_minor) AS minor, bool_and(spent_on = this.spent_on) AS on_its_day INTO lines
    FROM expense_line WHERE workspace_id = the_workspace AND expense_id = the_expense;
    IF lines.number <> coalesce(this.line_count, 0)
        OR lines.number > 0 AND (lines.minor <> this.amount_minor OR NOT lines.on_its_day) THEN
        RAISE EXCEPTION 'the lines of expense % do not fit it', the_expense USING
            ERRCODE = 'check_violation', CONSTRAINT = 'expense_line_sum', TABLE = 'expense_line',
            DETAIL = format('%s lines come to %s; the expense says %s lines and %s, all of them on %s',
                lines.number, lines.minor, coalesce(this.line_count, 0), this.amount_minor, this.spent_on);
    END IF;
    RETURN NULL;
END $$
"""

FOLLOW = """
CREATE FUNCTION expense_line_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE expense_line SET spent_on = NEW.spent_on WHERE workspace_id = NEW.workspace_id AND expense_id = NEW.id;
    RETURN NULL;
END $$
"""

STAY = """
CREATE FUNCTION expense_line_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a line stays with its expense' USING
        ERRCODE = 'check_violation', CONSTRAINT = 'expense_line_stay', TABLE = 'expense_line';
END $$
"""

TRIGGERS = (
    """CREATE CONSTRAINT TRIGGER expense_line_sum AFTER INSERT OR UPDATE OR DELETE ON expense_line
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION expense_line_sum()""",
    """CREATE TRIGGER expense_line_stay BEFORE UPDATE OF workspace_id, expense_id ON expense_line FOR EACH ROW
    WHEN (NEW.workspace_id <> OLD.workspace_id OR NEW.expense_id <> OLD.expense_id)
    EXECUTE FUNCTION expense_line_stay()""",
    """CREATE CONSTRAINT TRIGGER expense_insert_line_sum AFTER INSERT ON expense
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.line_count IS NOT NULL)
    EXECUTE FUNCTION expense_line_sum()""",
    """CREATE CONSTRAINT TRIGGER expense_update_line_sum AFTER UPDATE OF amount_minor, line_count ON expense
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.line_count IS NOT NULL OR OLD.line_count IS NOT NULL)
    EXECUTE FUNCTION expense_line_sum()""",
    """CREATE TRIGGER expense_line_follow AFTER UPDATE OF spent_on ON expense FOR EACH ROW
    WHEN (NEW.line_count IS NOT NULL AND NEW.spent_on <> OLD.spent_on) EXECUTE FUNCTION expense_line_follow()""",
)


def upgrade() -> None:
    _create_payment_account()
    _create_expense_line()
    op.add_column("expense", sa.Column("account_id", sa.Uuid()))
    op.add_column("expense", sa.Column("line_count", sa.SmallInteger()))
    op.create_check_constraint(
        op.f("expense_line_count_check"),
        "expense",
        "line_count BETWEEN 2 AND 100 AND category_id IS NULL OR line_count IS NULL",
        postgresql_not_valid=True,
    )
    op.create_foreign_key(
        "expense_workspace_id_account_id_fkey",
        "expense",
        "payment_account",
        ["workspace_id", "account_id"],
        ["workspace_id", "id"],
        postgresql_not_valid=True,
    )
    for statement in (CHECK, FOLLOW, STAY, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for trigger in ("expense_insert_line_sum", "expense_update_line_sum", "expense_line_follow"):
        op.execute(f"DROP TRIGGER {trigger} ON expense")
    op.drop_table("expense_line")
    for function in ("expense_line_sum", "expense_line_follow", "expense_line_stay"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_column("expense", "line_count")
    op.drop_column("expense", "account_id")
    op.drop_table("payment_account")


def _create_payment_account() -> None:
    op.create_table(
        "payment_account",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.CHAR(3)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="payment_account_pkey"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], "payment_account_workspace_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["currency"], ["currency.code"], "payment_account_currency_fkey"),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name=op.f("payment_account_name_check")),
        sa.CheckConstraint("kind IN ('cash', 'bank', 'card', 'other')", name=op.f("payment_account_kind_check")),
    )
    op.create_index(
        "payment_account_name_key",
        "payment_account",
        ["workspace_id", "name"],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def _create_expense_line() -> None:
    op.create_table(
        "expense_line",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("expense_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("spent_on", sa.Date(), nullable=False),
        sa.Column("category_id", sa.Uuid()),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "expense_id", "position", name="expense_line_pkey"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "expense_id"],
            ["expense.workspace_id", "expense.id"],
            "expense_line_workspace_id_expense_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "category_id"],
            ["category.workspace_id", "category.id"],
            "expense_line_workspace_id_category_id_fkey",
        ),
        sa.CheckConstraint(
            "amount_minor BETWEEN -1000000000000000 AND 1000000000000000", name=op.f("expense_line_amount_minor_check")
        ),
        sa.CheckConstraint("char_length(note) <= 200", name=op.f("expense_line_note_check")),
    )
    op.create_index(
        "expense_line_category_page_idx",
        "expense_line",
        ["workspace_id", "category_id", sa.text("spent_on DESC"), sa.text("expense_id DESC")],
    )
