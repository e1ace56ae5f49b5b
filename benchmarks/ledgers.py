"""Workspaces with any number of believable expenses, made in SQL: all checks and triggers of the tables are passed.

Each has lines, shares, tags, several currencies, conversions, a trash and a record of changes, whose hashes are no
chain: it is for lists, not for `expenses verify`. People spend more on few merchants and categories than on the others.
What is random comes from the row's number, so that two fillings are the same but for the ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from datetime import date

RARE, FREQUENT, OLD, ABSENT = "xylophone", "lunch", "carnival", "quokka"
"""Words in notes: in five, in one of eight, in one of fifty of the older half and in no newer one, in none."""

_TABLES = ("expense", "expense_line", "expense_share", "audit_event")
_AT_ONCE = 100_000

_EXPENSES = """
INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, category_id, note, tags, payer_id,
  version, created_by, created_at, updated_at, deleted_at, line_count, split_mode, fx_rate, fx_on, fx_source,
  base_currency, base_amount_minor)
SELECT %(home)s, uuidv7(made - now()), day, minor, currency, merchant,
  CASE WHEN NOT lined AND n %% 29 <> 0 THEN categories[1 + floor(cardinality(categories) * c * c)::int] END,
  CASE WHEN n %% (%(number)s / 5) = 7 THEN 'a xylophone for Ben' WHEN n %% 8 = 3 THEN 'lunch with the team'
    WHEN n %% 50 = 9 AND n < %(number)s / 2 THEN 'carnival ' || n WHEN n %% 6 = 1 THEN 'receipt ' || n ELSE '' END,
  CASE WHEN n %% 10 = 1 THEN ARRAY['tag' || n %% 40, 'trip'] WHEN n %% 5 = 1 THEN ARRAY['work']
    WHEN n %% 3 = 1 THEN ARRAY['tag' || floor(40 * c * c)] ELSE '{}' END,
  people[1 + n %% 2], 1, people[1], made, made, CASE WHEN n %% 100 = 50 THEN made + interval '1 hour' END,
  CASE WHEN lined THEN 2 END, CASE WHEN n %% 5 = 2 THEN 'even' END,
  rate, CASE WHEN rate IS NOT NULL THEN day END, CASE WHEN rate IS NOT NULL THEN 'entered' END,
  CASE WHEN rate IS NOT NULL THEN 'EUR' END, round(minor * rate)
FROM (
  SELECT n, day, greatest(day, '1970-01-01') + n %% 86400 * interval '1 second' AS made, n %% 12 = 5 AS lined,
    CASE WHEN n %% 40 = 0 THEN -1 ELSE 1 END * (100 + floor(20000 * b * b * b))::bigint AS minor,
    CASE WHEN n %% 33 = 4 THEN 'JPY' WHEN n %% 17 = 3 THEN 'USD' ELSE 'EUR' END AS currency,
    CASE WHEN n %% 66 = 4 THEN 0.62 WHEN n %% 34 = 3 THEN 0.9 END AS rate,
    CASE WHEN a < 0.3 THEN 'Corner Bakery' WHEN a < 0.5 THEN 'Green Grocer'
      ELSE 'Shop ' || floor(%(merchants)s * (a - 0.5) * (a - 0.5) * 4) END AS merchant, b, c
  FROM (
    SELECT n, %(first)s::date + (n::bigint * (%(last)s::date - %(first)s::date) / %(number)s)::int AS day,
      (hashint4(n) & 1048575) / 1048576.0 AS a, (hashint4(n + 7919) & 1048575) / 1048576.0 AS b,
      (hashint4(n + 104729) & 1048575) / 1048576.0 AS c
    FROM generate_series(%(begin)s, %(end)s) n
  ) AS numbers
) AS spent,
(SELECT array_agg(id ORDER BY position, id) AS categories FROM category WHERE workspace_id = %(home)s) AS theirs,
(SELECT array_agg(user_id ORDER BY created_at, user_id) AS people FROM membership WHERE workspace_id = %(home)s) AS ours
"""
_ITS_OWN = "e.workspace_id = %(home)s AND e.xmin = pg_current_xact_id()::xid"
_LINES = f"""
INSERT INTO expense_line (workspace_id, expense_id, position, spent_on, category_id, amount_minor, note)
SELECT e.workspace_id, e.id, part, e.spent_on, c.id,
  CASE part WHEN 0 THEN e.amount_minor / 3 ELSE e.amount_minor - e.amount_minor / 3 END, ''
FROM expense e, generate_series(0, 1) part,
LATERAL (SELECT id FROM category WHERE workspace_id = e.workspace_id ORDER BY position, id OFFSET 3 * part LIMIT 1) AS c
WHERE e.line_count IS NOT NULL AND {_ITS_OWN}
"""
_SHARES = f"""
INSERT INTO expense_share (workspace_id, expense_id, user_id, amount_minor, weight)
SELECT e.workspace_id, e.id, m.user_id, e.amount_minor / 2 + (m.user_id = e.payer_id)::int * (e.amount_minor %% 2), 1
FROM expense e JOIN membership m ON m.workspace_id = e.workspace_id
WHERE e.split_mode IS NOT NULL AND {_ITS_OWN}
"""
_RECORD = f"""
INSERT INTO audit_event (workspace_id, id, at, actor_id, entity, entity_id, action, after, seq, hash)
SELECT e.workspace_id, uuidv7(e.created_at - now()), e.created_at, e.created_by, 'expense', e.id, 'create',
  jsonb_build_object('spent_on', e.spent_on, 'merchant', e.merchant, 'note', e.note, 'tags', e.tags), 1,
  sha256(e.id::text::bytea)
FROM expense e WHERE {_ITS_OWN}
"""


@dataclass(frozen=True)
class Filling:
    """How many expenses lie between two days. The last day counts."""

    number: int
    first: date
    last: date

    @property
    def merchants(self) -> int:
        """There are more of them in a large workspace, though not in proportion."""
        return int(20 * self.number**0.4)


def fill(url: str, fillings: dict[str, Filling]) -> None:
    """Fill workspaces, by their ids, that have categories and exactly two members, and have all of it analysed.

    The indexes are made anew behind the rows, and their table is vacuumed, as autovacuum would have done by then.
    """
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SET maintenance_work_mem = '512MB'")
    cursor.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index LEFT JOIN pg_constraint ON "
        "conindid = indexrelid AND contype IN ('p', 'u') WHERE indrelid = ANY(%s::regclass[]) AND conindid IS NULL",
        [list(_TABLES)],
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    for home, filling in fillings.items():
        _fill_one(connection, home, filling)
    for _, definition in indexes:
        cursor.execute(definition)
    cursor.execute("VACUUM (ANALYZE)")
    cursor.execute("CHECKPOINT")
    connection.close()


def _fill_one(connection: psycopg2.extensions.connection, home: str, filling: Filling) -> None:
    cursor = connection.cursor()
    for begin in range(1, filling.number + 1, _AT_ONCE):
        said = vars(filling) | {"home": home, "merchants": filling.merchants, "begin": begin}
        said["end"] = min(begin + _AT_ONCE - 1, filling.number)
        cursor.execute("BEGIN")
        for statement in (_EXPENSES, _LINES, _SHARES, _RECORD):
            cursor.execute(statement, said)
        cursor.execute("COMMIT")
