"""Count in the sums what is written from now on, by whomever.

Deploy step: before the new code starts. What the old code writes is counted as well.
Locks: `expense`, `expense_line`, `expense_share` and `settlement` against writes until the commit, for triggers:
milliseconds, no row is read. In the order in which the service writes them, so that none of its transactions and this
one wait for each other.

docs/decisions, "Sums that the database keeps", says why it is done so. What must not be lost when this is changed:

- A statement's rows are added up first: a row that one transaction updates ten thousand times has ten thousand
  versions, through all of which each update goes.
- Each trigger counts its own table's rows. A line or share is in its expense's currency, and counts while that lives,
  so its trigger locks the expense first: of two who change both at once, the second sees what the first has done.
- An expense that begins or ceases to live, or gets another currency, takes its lines and shares along, before
  `expense_line_follow` moves its lines to another day (triggers of rows fire in the order of their names), and before a
  deletion reaches them, after which they find no expense.
"""

from __future__ import annotations

from alembic import op

revision = "20261128_2141"
down_revision = "20261128_2140"
branch_labels = None
depends_on = None
phase = "expand"

MONTH = "(spent_on - extract(day FROM spent_on)::integer + 1)"
NONE = "'00000000-0000-0000-0000-000000000000'::uuid"
AS_OWNER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off"
BY_KEYS = f"{AS_OWNER} SET enable_hashjoin = off SET enable_mergejoin = off"
"""The role of the service may read the sums; only what it does to the ledger changes them. A session keeps the plans of
its first calls, when tables may be small and statements may change many rows: what reads a table from end to end for
these would do so for ever."""

EVENTS = {
    "new": ("INSERT", "NEW TABLE AS new_rows", "SELECT 1 AS sign, * FROM new_rows"),
    "gone": (
        "DELETE",
        "OLD TABLE AS old_rows",
        "SELECT -1 AS sign, * FROM old_rows WHERE EXISTS (SELECT FROM workspace WHERE id = old_rows.workspace_id)",
    ),
    "changed": (
        "UPDATE",
        "OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "SELECT -1 AS sign, * FROM old_rows UNION ALL SELECT 1, * FROM new_rows",
    ),
}
"""What a statement did to a table: how its trigger sees that, and each row with whether it counts or no longer does.

When a workspace is deleted, these fire for what it had only after its sums have been taken away."""

COUNT_EXPENSE = f"""
CREATE FUNCTION count_{{event}}_expense() RETURNS trigger {AS_OWNER} AS $$
DECLARE
    one record;
    done boolean;
    is_shared boolean := false;
BEGIN{{shortcut}}
    FOR one IN
        SELECT workspace_id, spent_on, currency, coalesce(base_currency, currency) AS base,
            sum(sign * amount_minor) AS minor, sum(sign * coalesce(base_amount_minor, amount_minor)) AS base_minor,
            sum(sign) AS n, bool_or(split_mode IS NOT NULL) AS is_shared
        FROM ({{rows}}) AS counted WHERE deleted_at IS NULL GROUP BY 1, 2, 3, 4
    LOOP
        is_shared := is_shared OR one.is_shared;
        IF one.n <> 0 OR one.minor <> 0 OR one.base_minor <> 0 THEN
            done := add_to_day_sum(one.workspace_id, one.spent_on, one.currency, one.base, one.minor, one.base_minor,
                one.n);
        END IF;
    END LOOP;
    FOR one IN
        SELECT workspace_id, {MONTH} AS month, coalesce(category_id, {NONE}) AS category, currency,
            sum(sign * amount_minor) AS minor, sum(sign) AS n
        FROM ({{rows}}) AS counted WHERE deleted_at IS NULL AND line_count IS NULL
        GROUP BY 1, 2, 3, 4 HAVING sum(sign * amount_minor) <> 0 OR sum(sign) <> 0
    LOOP
        done := add_to_category_sum(one.workspace_id, one.month, one.category, one.currency, one.minor, one.n);
    END LOOP;
    IF is_shared THEN
        FOR one IN
            SELECT workspace_id, payer_id, currency, sum(sign * amount_minor) AS minor FROM ({{rows}}) AS counted
            WHERE deleted_at IS NULL AND split_mode IS NOT NULL GROUP BY 1, 2, 3 HAVING sum(sign * amount_minor) <> 0
        LOOP
            done := add_to_balance_sum(one.workspace_id, one.payer_id, one.currency, one.minor);
        END LOOP;
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608 - made of constants of this file

SINGLE = f"""
    SELECT workspace_id, spent_on, {MONTH} AS month, coalesce(category_id, {NONE}) AS category, currency,
        coalesce(base_currency, currency) AS base, amount_minor AS minor,
        coalesce(base_amount_minor, amount_minor) AS base_minor, line_count, split_mode, payer_id,
        deleted_at IS NULL AS lives, EXISTS (SELECT FROM new_rows OFFSET 1) AS has_others
    INTO one FROM new_rows;
    IF NOT one.has_others THEN
        IF one.lives THEN
            done := add_to_day_sum(one.workspace_id, one.spent_on, one.currency, one.base, one.minor, one.base_minor,
                1);
        END IF;
        IF one.lives AND one.line_count IS NULL THEN
            done := add_to_category_sum(one.workspace_id, one.month, one.category, one.currency, one.minor, 1);
        END IF;
        IF one.lives AND one.split_mode IS NOT NULL THEN
            done := add_to_balance_sum(one.workspace_id, one.payer_id, one.currency, one.minor);
        END IF;
        RETURN NULL;
    END IF;"""  # noqa: S608 - made of constants of this file
"""What is done most, at two thirds of the cost."""

_LOCK = """FOR one IN SELECT DISTINCT workspace_id, expense_id FROM ({rows}) AS counted ORDER BY 1, 2 LOOP
        PERFORM FROM expense WHERE workspace_id = one.workspace_id AND id = one.expense_id FOR NO KEY UPDATE;
    END LOOP;"""
_OF_LIVING = """({rows}) AS part CROSS JOIN LATERAL (
            SELECT currency FROM expense
            WHERE workspace_id = part.workspace_id AND id = part.expense_id AND deleted_at IS NULL OFFSET 0) AS whole"""
"""Row by row, both: of a join, a session that begins with few rows keeps a plan that looks at all of a statement's rows
for each expense. With 20,000 shares in one statement that took minutes."""

COUNT_LINE = f"""
CREATE FUNCTION count_{{event}}_expense_line() RETURNS trigger {BY_KEYS} AS $$
DECLARE
    one record;
    done boolean;
BEGIN
    {_LOCK}
    FOR one IN
        SELECT part.workspace_id, {MONTH.replace("spent_on", "part.spent_on")} AS month,
            coalesce(part.category_id, {NONE}) AS category, whole.currency, sum(sign * part.amount_minor) AS minor,
            sum(sign) AS n
        FROM {_OF_LIVING}
        GROUP BY 1, 2, 3, 4 HAVING sum(sign * part.amount_minor) <> 0 OR sum(sign) <> 0
    LOOP
        done := add_to_category_sum(one.workspace_id, one.month, one.category, one.currency, one.minor, one.n);
    END LOOP;
    RETURN NULL;
END $$
"""  # noqa: S608 - made of constants of this file

COUNT_SHARE = f"""
CREATE FUNCTION count_{{event}}_expense_share() RETURNS trigger {BY_KEYS} AS $$
DECLARE
    one record;
    done boolean;
BEGIN
    {_LOCK}
    FOR one IN
        SELECT part.workspace_id, part.user_id, whole.currency, -sum(sign * part.amount_minor) AS minor
        FROM {_OF_LIVING}
        GROUP BY 1, 2, 3 HAVING sum(sign * part.amount_minor) <> 0
    LOOP
        done := add_to_balance_sum(one.workspace_id, one.user_id, one.currency, one.minor);
    END LOOP;
    RETURN NULL;
END $$
"""  # noqa: S608 - made of constants of this file

COUNT_SETTLEMENT = f"""
CREATE FUNCTION count_{{event}}_settlement() RETURNS trigger {AS_OWNER} AS $$
DECLARE
    one record;
    done boolean;
BEGIN
    FOR one IN
        SELECT workspace_id, person, currency, sum(sign * paid) AS minor
        FROM ({{rows}}) AS counted,
            LATERAL (VALUES (from_user_id, amount_minor), (to_user_id, -amount_minor)) AS of_both (person, paid)
        GROUP BY 1, 2, 3 HAVING sum(sign * paid) <> 0
    LOOP
        done := add_to_balance_sum(one.workspace_id, one.person, one.currency, one.minor);
    END LOOP;
    RETURN NULL;
END $$
"""  # noqa: S608 - made of constants of this file

TAKE_PARTS_ALONG = f"""
CREATE FUNCTION take_parts_along() RETURNS trigger {AS_OWNER} AS $$
DECLARE
    one record;
    done boolean;
    was CONSTANT boolean := OLD.deleted_at IS NULL;
    lives CONSTANT boolean := TG_OP <> 'DELETE' AND NEW.deleted_at IS NULL;
BEGIN
    FOR one IN
        SELECT {MONTH} AS month, coalesce(category_id, {NONE}) AS category, sum(amount_minor) AS minor, count(*) AS n
        FROM expense_line WHERE workspace_id = OLD.workspace_id AND expense_id = OLD.id GROUP BY 1, 2
    LOOP
        IF was THEN
            done := add_to_category_sum(OLD.workspace_id, one.month, one.category, OLD.currency, -one.minor, -one.n);
        END IF;
        IF lives THEN
            done := add_to_category_sum(OLD.workspace_id, one.month, one.category, NEW.currency, one.minor, one.n);
        END IF;
    END LOOP;
    FOR one IN
        SELECT user_id, amount_minor AS minor FROM expense_share
        WHERE workspace_id = OLD.workspace_id AND expense_id = OLD.id
    LOOP
        IF was THEN
            done := add_to_balance_sum(OLD.workspace_id, one.user_id, OLD.currency, one.minor);
        END IF;
        IF lives THEN
            done := add_to_balance_sum(OLD.workspace_id, one.user_id, NEW.currency, -one.minor);
        END IF;
    END LOOP;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD END;
END $$
"""  # noqa: S608 - made of constants of this file

COUNTED = {
    "expense": COUNT_EXPENSE,
    "expense_line": COUNT_LINE,
    "expense_share": COUNT_SHARE,
    "settlement": COUNT_SETTLEMENT,
}
"""In the order in which the service writes them."""
PARTS = (
    """CREATE TRIGGER expense_count_parts AFTER UPDATE ON expense FOR EACH ROW
    WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL) OR OLD.currency <> NEW.currency)
    EXECUTE FUNCTION take_parts_along()""",
    """CREATE TRIGGER expense_count_parts_gone BEFORE DELETE ON expense FOR EACH ROW
    WHEN (OLD.deleted_at IS NULL) EXECUTE FUNCTION take_parts_along()""",
)


def upgrade() -> None:
    op.execute(TAKE_PARTS_ALONG)
    for function in COUNTED.values():
        for event, (_, _, rows) in EVENTS.items():
            op.execute(function.format(event=event, rows=rows, shortcut=SINGLE if event == "new" else ""))
    for name in _functions():
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")
    # One message to the server: from the first trigger on, others wait until the last is made.
    op.execute(";\n".join((*PARTS, *_counting())))


def downgrade() -> None:
    op.execute("DROP TRIGGER expense_count_parts ON expense")
    op.execute("DROP TRIGGER expense_count_parts_gone ON expense")
    for table in COUNTED:
        for event in EVENTS:
            op.execute(f"DROP TRIGGER {table}_count_{event} ON {table}")
    for name in _functions():
        op.execute(f"DROP FUNCTION {name}")


def _counting() -> list[str]:
    return [
        f"CREATE TRIGGER {table}_count_{event} AFTER {verb} ON {table} REFERENCING {seen}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION count_{event}_{table}()"
        for table in COUNTED
        for event, (verb, seen, _) in EVENTS.items()
    ]


def _functions() -> list[str]:
    return [*(f"count_{event}_{table}()" for table in COUNTED for event in EVENTS), "take_parts_along()"]
