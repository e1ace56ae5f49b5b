"""Let an expense be divided among people: how, and what that comes to for each of them.

Deploy step: before the new code starts. The new column is nullable and without a default, its constraint is not
checked yet: `expense` is locked against writes for milliseconds. As with lines, the sum of the shares is looked at
when a transaction commits, an expense without shares is not looked at at all, and whoever has not written the expense
itself writes it then, so that of two who change its shares at once the second sees what the first did, or fails.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261123_0008"
down_revision = "20261123_0005"
branch_labels = None
depends_on = None
phase = "expand"

CHECK = """
CREATE FUNCTION expense_share_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    this record;
    shares record;
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
    SELECT e.amount_minor, e.split_mode, e.xmin = pg_current_xact_id()::xid AS is_ours INTO this
    FROM expense e WHERE e.workspace_id = the_workspace AND e.id = the_expense;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT this.is_ours THEN
        UPDATE expense SET version = version WHERE workspace_id = the_workspace AND id = the_expense;
        SELECT e.amount_minor, e.split_mode INTO this
        FROM expense e WHERE e.workspace_id = the_workspace AND e.id = the_expense;
    END IF;
    SELECT count(*) AS number, sum(amount_minor) AS minor,
        bool_and((weight IS NULL) = (this.split_mode IS NOT DISTINCT FROM 'exact')) AS in_its_mode
    INTO shares FROM expense_share WHERE workspace_id = the_workspace AND expense_id = the_expense;
    IF (shares.number > 0) <> (this.split_mode IS NOT NULL)
        OR shares.number > 0 AND (shares.minor <> this.amount_minor OR NOT shares.in_its_mode) THEN
        RAISE EXCEPTION 'the shares of expense % do not fit it', the_expense USING
            ERRCODE = 'check_violation', CONSTRAINT = 'expense_share_sum', TABLE = 'expense_share',
            DETAIL = format('%s shares come to %s; the expense comes to %s and is divided as %s',
                shares.number, shares.minor, this.amount_minor, this.split_mode);
    END IF;
    RETURN NULL;
END $$
"""

STAY = """
CREATE FUNCTION expense_share_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a share stays with its expense' USING
        ERRCODE = 'check_violation', CONSTRAINT = 'expense_share_stay', TABLE = 'expense_share';
END $$
"""

TRIGGERS = (
    """CREATE CONSTRAINT TRIGGER expense_share_sum AFTER INSERT OR UPDATE OR DELETE ON expense_share
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION expense_share_sum()""",
    """CREATE TRIGGER expense_share_stay BEFORE UPDATE OF workspace_id, expense_id ON expense_share FOR EACH ROW
    WHEN (NEW.workspace_id <> OLD.workspace_id OR NEW.expense_id <> OLD.expense_id)
    EXECUTE FUNCTION expense_share_stay()""",
    """CREATE CONSTRAINT TRIGGER expense_insert_share_sum AFTER INSERT ON expense
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.split_mode IS NOT NULL)
    EXECUTE FUNCTION expense_share_sum()""",
    """CREATE CONSTRAINT TRIGGER expense_update_share_sum AFTER UPDATE OF amount_minor, split_mode ON expense
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.split_mode IS NOT NULL OR OLD.split_mode IS NOT NULL)
    EXECUTE FUNCTION expense_share_sum()""",
)


def upgrade() -> None:
    op.create_table(
        "expense_share",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("expense_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.Integer()),
        sa.PrimaryKeyConstraint("workspace_id", "expense_id", "user_id", name="expense_share_pkey"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "expense_id"],
            ["expense.workspace_id", "expense.id"],
            "expense_share_workspace_id_expense_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], "expense_share_user_id_fkey"),
        sa.CheckConstraint(
            "amount_minor BETWEEN -1000000000000000 AND 1000000000000000",
            name=op.f("expense_share_amount_minor_check"),
        ),
        sa.CheckConstraint("weight BETWEEN 1 AND 1000000", name=op.f("expense_share_weight_check")),
    )
    op.add_column("expense", sa.Column("split_mode", sa.Text()))
    op.create_check_constraint(
        op.f("expense_split_mode_check"),
        "expense",
        "split_mode IN ('even', 'weights', 'exact') AND payer_id IS NOT NULL OR split_mode IS NULL",
        postgresql_not_valid=True,
    )
    for statement in (CHECK, STAY, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for trigger in ("expense_insert_share_sum", "expense_update_share_sum"):
        op.execute(f"DROP TRIGGER {trigger} ON expense")
    op.drop_table("expense_share")
    for function in ("expense_share_sum", "expense_share_stay"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_column("expense", "split_mode")
