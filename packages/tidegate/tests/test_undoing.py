"""What a `downgrade()` would lose, told from its code."""

from __future__ import annotations

import textwrap

import pytest

from tidegate.project.undoing import losses_in_file
from tidegate.sql.loss import losses_in_sql

HEAD = """
import datetime
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from myapp.tables import drop_everything
import myapp.models as models

T = "expense"
NOTES = "DROP TABLE " + T + "_note"
"""


def told(body: str, more: str = "") -> list[str]:
    """The losses of a body, in short."""
    source = HEAD + more + "\ndef downgrade():\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return [
        f"{loss.kind} {loss.table or ''}{f'.{loss.column}' if loss.column else ''}".strip()
        for loss in losses_in_file("abc", source)
    ]


@pytest.mark.parametrize(
    ("body", "losses"),
    [
        ("op.drop_table('a')", ["table a"]),
        ("op.drop_table(T, schema='books')", ["table books.expense"]),
        ("op.drop_column('a', 'x')", ["column a.x"]),
        ("op.drop_column(table_name='a', column_name='x', schema=None)", ["column a.x"]),
        ("with op.batch_alter_table('a') as b:\n    b.drop_column('x')\n    b.drop_constraint('c')", ["column a.x"]),
        ("op.execute(NOTES)", ["table expense_note"]),
        ("op.execute(f'DROP TABLE {T}')", ["table expense"]),
        ("op.execute(sa.text('TRUNCATE a').execution_options(autocommit=True))", ["rows a"]),
        (
            "op.get_bind().execute(sa.text('ALTER TABLE a DROP x, DROP COLUMN IF EXISTS y'))",
            ["column a.x", "column a.y"],
        ),
        ("bind = op.get_bind()\nq = 'DELETE FROM a WHERE x = :x'\nbind.execute(sa.text(q), {'x': 1})", ["rows a"]),
        ("op.rename_table('a', 'b')\nop.alter_column('a', 'x', new_column_name='y')", ["rename", "rename"]),
        ("_undo('a')", ["table a"]),
        (
            "from alembic.op import drop_table, execute\ndrop_table('a')\nexecute('DROP TABLE b')",
            ["table a", "table b"],
        ),
        ("def inner():\n    op.drop_table('a')\ninner()", ["table a"]),
    ],
)
def test_what_is_dropped_literally_is_named(body: str, losses: list[str]) -> None:
    assert told(body, "def _undo(name):\n    op.drop_table('a')\n    _undo(name)\n") == losses


@pytest.mark.parametrize(
    "body",
    [
        "for name in ('a', 'b'):\n    op.drop_table(name)",
        "op.drop_column(models.T, 'x')",
        "op.execute(open('undo.sql').read())",
        "sql = 'SELECT 1'\nsql += more\nop.execute(sql)",
        "op.execute('DO $$ BEGIN DROP TABLE a; END $$')",
        "op.execute('SELECT drop_all_tables()')",
        "op.execute('DROP SCHEMA books CASCADE')",
        "op.execute('this is no SQL')",
        "op.execute(sa.delete(sa.table('a')))",
        "t = sa.table('a')\nop.get_bind().execute(t.delete().where(t.c.x == 1))",
        "drop_everything()",
        "drop_everything(op)",
        "models.Base.metadata.drop_all(op.get_bind())",
        "op.drop_entity(models.VIEW)",
        "exec('op.drop_table(1)')",
        "other(op)",
        "globals()['downgrade_' + 'main']()",
        "getattr(op, 'drop_table')('a')",
        "import subprocess\nsubprocess.run(['psql', '-f', 'undo.sql'])",
        "op.get_bind().connection.cursor().callproc('undo')",
    ],
)
def test_what_cannot_be_told_may_be_anything(body: str) -> None:
    assert told(body, "def other(o):\n    o.drop_table(o.name)\n") == ["unknown"]


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "raise NotImplementedError('no way back')",
        "op.drop_index('i', table_name='a')\nop.drop_constraint('c', 'a', type_='foreignkey')",
        "op.add_column('a', sa.Column('x', sa.Integer(), server_default=sa.text('0')))",
        "op.create_table('a', sa.Column('at', sa.DateTime(), default=datetime.datetime.now))",
        "postgresql.ENUM(name='mood').drop(op.get_bind(), checkfirst=True)\nsa.Enum(name='m').drop(op.get_bind())",
        "from sqlalchemy.orm import sessionmaker\nsession = sessionmaker(bind=op.get_bind())()\nsession.commit()",
        "with op.get_context().autocommit_block():\n    op.get_bind().dialect.has_table(op.get_bind(), 'a')",
        "op.add_column('a', sa.Column('x', models.UUID()))\nop.alter_column('a', 'y', type_=models.UUID())",
        "op.execute(sa.update(sa.table('a')).values(x=1))",
        "n = op.get_bind().execute(sa.text('SELECT count(*) FROM a')).scalar()\nprint(n)",
        "op.execute('UPDATE a SET x = upper(x)')\nop.execute('DROP VIEW v')\nop.execute('DROP TYPE mood')",
        "op.execute(\"SELECT setval('s', 1), pg_sleep(0)\")",
    ],
)
def test_what_loses_nothing_is_let_through(body: str) -> None:
    assert told(body) == []


def test_a_downgrade_that_is_no_plain_function_may_be_anything() -> None:
    assert [loss.kind for loss in losses_in_file("abc", "downgrade = lambda: None")] == ["unknown"]


def test_a_delete_inside_of_a_query_is_found() -> None:
    (loss,) = losses_in_sql("WITH gone AS (DELETE FROM s.a RETURNING 1) SELECT count(*) FROM gone")
    assert (loss.kind, str(loss.table)) == ("rows", "s.a")
