"""Make the tables of sums, from which reports and balances are read, and what writes and mends them.

Deploy step: before the new code starts. The next revision counts what is written, the one after it what was there.
Locks: `workspace` against writes until the commit, for a trigger: milliseconds. All else is new.

docs/decisions, "Sums that the database keeps", says why it is done so. What must not be lost when this is changed:

- Who counts takes any row of a key that nobody else has locked (`SKIP LOCKED`), or makes another one. So nobody waits
  for anybody, in whatever order keys are written; readers add up the rows of a key.
- What is missing is what a recount finds less what is there, both in one statement and so of one moment. The triggers
  keep it the same whatever is written meanwhile: `mend_sums` adds it beside the running service, without a lock on
  anything but on itself.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261128_2140"
down_revision = "20261128_2130"
branch_labels = None
depends_on = None
phase = "expand"

ROLE = "expenses_app"
NONE = "'00000000-0000-0000-0000-000000000000'::uuid"
"""The category of what has none: a column of a primary key cannot be null."""
MONTH = "(spent_on - extract(day FROM spent_on)::integer + 1)"
"""The first day of a day's month. `date_trunc` would go by way of a time with a zone."""

ADD_DAY = """
CREATE FUNCTION add_to_day_sum(w uuid, day date, cur bpchar, base bpchar, more numeric, more_base numeric, n bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE day_sum AS s SET minor = s.minor + more, base_minor = s.base_minor + more_base, number = s.number + n
    WHERE s.workspace_id = w AND s.spent_on = day AND s.currency = cur AND s.base_currency = base AND s.id = (
        SELECT id FROM day_sum WHERE workspace_id = w AND spent_on = day AND currency = cur AND base_currency = base
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO day_sum (workspace_id, spent_on, currency, base_currency, minor, base_minor, number)
        VALUES (w, day, cur, base, more, more_base, n);
    END IF;
    RETURN true;
END $$
"""

ADD_CATEGORY = """
CREATE FUNCTION add_to_category_sum(w uuid, first date, c uuid, cur bpchar, more numeric, n bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE category_sum AS s SET minor = s.minor + more, number = s.number + n
    WHERE s.workspace_id = w AND s.month = first AND s.category_id = c AND s.currency = cur AND s.id = (
        SELECT id FROM category_sum WHERE workspace_id = w AND month = first AND category_id = c AND currency = cur
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO category_sum (workspace_id, month, category_id, currency, minor, number)
        VALUES (w, first, c, cur, more, n);
    END IF;
    RETURN true;
END $$
"""

ADD_BALANCE = """
CREATE FUNCTION add_to_balance_sum(w uuid, who uuid, cur bpchar, more numeric) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE balance_sum AS s SET minor = s.minor + more
    WHERE s.workspace_id = w AND s.user_id = who AND s.currency = cur AND s.id = (
        SELECT id FROM balance_sum WHERE workspace_id = w AND user_id = who AND currency = cur
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO balance_sum (workspace_id, user_id, currency, minor) VALUES (w, who, cur, more);
    END IF;
    RETURN true;
END $$
"""

MISSING_DAY = """
CREATE FUNCTION missing_in_day_sum(w uuid) RETURNS TABLE (spent_on date, currency bpchar, base_currency bpchar,
    minor numeric, base_minor numeric, number bigint) LANGUAGE sql STABLE AS $$
    SELECT spent_on, currency, base_currency, sum(minor), sum(base_minor), sum(number)::bigint
    FROM (
        SELECT spent_on, currency, coalesce(base_currency, currency) AS base_currency, amount_minor::numeric AS minor,
            coalesce(base_amount_minor, amount_minor)::numeric AS base_minor, 1 AS number
        FROM expense WHERE workspace_id = w AND deleted_at IS NULL
        UNION ALL
        SELECT spent_on, currency, base_currency, -minor, -base_minor, -number FROM day_sum WHERE workspace_id = w
    ) AS found
    GROUP BY spent_on, currency, base_currency
    HAVING sum(minor) <> 0 OR sum(base_minor) <> 0 OR sum(number) <> 0
$$
"""

MISSING_CATEGORY = f"""
CREATE FUNCTION missing_in_category_sum(w uuid) RETURNS TABLE (month date, category_id uuid, currency bpchar,
    minor numeric, number bigint) LANGUAGE sql STABLE AS $$
    SELECT month, category_id, currency, sum(minor), sum(number)::bigint
    FROM (
        SELECT {MONTH} AS month, coalesce(category_id, {NONE}) AS category_id, currency,
            amount_minor::numeric AS minor, 1 AS number
        FROM expense WHERE workspace_id = w AND deleted_at IS NULL AND line_count IS NULL
        UNION ALL
        SELECT {MONTH.replace("spent_on", "line.spent_on")}, coalesce(line.category_id, {NONE}), whole.currency,
            line.amount_minor, 1
        FROM expense_line AS line
        JOIN expense AS whole ON whole.workspace_id = line.workspace_id AND whole.id = line.expense_id
        WHERE line.workspace_id = w AND whole.workspace_id = w AND whole.deleted_at IS NULL
        UNION ALL
        SELECT month, category_id, currency, -minor, -number FROM category_sum WHERE workspace_id = w
    ) AS found
    GROUP BY month, category_id, currency
    HAVING sum(minor) <> 0 OR sum(number) <> 0
$$
"""  # noqa: S608 - made of constants of this file

MISSING_BALANCE = """
CREATE FUNCTION missing_in_balance_sum(w uuid) RETURNS TABLE (user_id uuid, currency bpchar, minor numeric)
LANGUAGE sql STABLE AS $$
    SELECT user_id, currency, sum(minor)
    FROM (
        SELECT payer_id AS user_id, currency, amount_minor::numeric AS minor
        FROM expense WHERE workspace_id = w AND deleted_at IS NULL AND split_mode IS NOT NULL
        UNION ALL
        SELECT share.user_id, whole.currency, -share.amount_minor
        FROM expense_share AS share
        JOIN expense AS whole ON whole.workspace_id = share.workspace_id AND whole.id = share.expense_id
        WHERE share.workspace_id = w AND whole.workspace_id = w AND whole.deleted_at IS NULL
        UNION ALL
        SELECT from_user_id, currency, amount_minor FROM settlement WHERE workspace_id = w
        UNION ALL
        SELECT to_user_id, currency, -amount_minor FROM settlement WHERE workspace_id = w
        UNION ALL
        SELECT user_id, currency, -minor FROM balance_sum WHERE workspace_id = w
    ) AS found
    GROUP BY user_id, currency
    HAVING sum(minor) <> 0
$$
"""

MEND = """
CREATE FUNCTION mend_sums(w uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    days bigint;
    categories bigint;
    balances bigint;
BEGIN
    -- Two at once would both add what is missing. Each statement below sees what the one before us has committed.
    PERFORM pg_advisory_xact_lock(hashtextextended('mend_sums', 0));
    INSERT INTO day_sum (workspace_id, spent_on, currency, base_currency, minor, base_minor, number)
    SELECT w, missing.* FROM missing_in_day_sum(w) AS missing;
    GET DIAGNOSTICS days = ROW_COUNT;
    INSERT INTO category_sum (workspace_id, month, category_id, currency, minor, number)
    SELECT w, missing.* FROM missing_in_category_sum(w) AS missing;
    GET DIAGNOSTICS categories = ROW_COUNT;
    INSERT INTO balance_sum (workspace_id, user_id, currency, minor)
    SELECT w, missing.* FROM missing_in_balance_sum(w) AS missing;
    GET DIAGNOSTICS balances = ROW_COUNT;
    RETURN days + categories + balances;
END $$
"""

FORGET = """
CREATE FUNCTION forget_sums() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM day_sum WHERE workspace_id = OLD.id;
    DELETE FROM category_sum WHERE workspace_id = OLD.id;
    DELETE FROM balance_sum WHERE workspace_id = OLD.id;
    RETURN NULL;
END $$
"""
"""In place of a foreign key: that would cost every new sum a look at the workspace, and its cascade might come before
that of the expenses, which then would count into sums of a workspace that is gone. This trigger comes after all of
them, since its name sorts after `RI_`."""


FUNCTIONS = (
    ADD_DAY,
    ADD_CATEGORY,
    ADD_BALANCE,
    MISSING_DAY,
    MISSING_CATEGORY,
    MISSING_BALANCE,
    MEND,
    FORGET,
)
TABLES = ("day_sum", "category_sum", "balance_sum")
NAMES = (
    "forget_sums()",
    "mend_sums(uuid)",
    "missing_in_balance_sum(uuid)",
    "missing_in_category_sum(uuid)",
    "missing_in_day_sum(uuid)",
    "add_to_balance_sum(uuid, uuid, bpchar, numeric)",
    "add_to_category_sum(uuid, date, uuid, bpchar, numeric, bigint)",
    "add_to_day_sum(uuid, date, bpchar, bpchar, numeric, numeric, bigint)",
)


def upgrade() -> None:
    _create_day_sum()
    _create_category_sum()
    _create_balance_sum()
    for table in TABLES:
        op.execute(f"CREATE POLICY is_here ON {table} USING (workspace_id = (SELECT entered_workspace()))")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT ON {table} TO {ROLE}")
    for function in FUNCTIONS:
        op.execute(function)
    for name in NAMES:
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER workspace_forget_sums AFTER DELETE ON workspace FOR EACH ROW EXECUTE FUNCTION forget_sums()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER workspace_forget_sums ON workspace")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_day_sum() -> None:
    op.create_table(
        "day_sum",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("spent_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("base_currency", sa.CHAR(3), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("minor", sa.Numeric(), nullable=False),
        sa.Column("base_minor", sa.Numeric(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "spent_on", "currency", "base_currency", "id", name="day_sum_pkey"),
        postgresql_with={"fillfactor": 70},
    )


def _create_category_sum() -> None:
    op.create_table(
        "category_sum",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("minor", sa.Numeric(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "month", "category_id", "currency", "id", name="category_sum_pkey"),
        postgresql_with={"fillfactor": 50},
    )


def _create_balance_sum() -> None:
    op.create_table(
        "balance_sum",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("minor", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", "currency", "id", name="balance_sum_pkey"),
        postgresql_with={"fillfactor": 50},
    )
