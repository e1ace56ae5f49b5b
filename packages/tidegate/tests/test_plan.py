"""`tidegate plan`: the SQL of the pending revisions from any `env.py`, and the database is never touched for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from projects import Project

pytestmark = pytest.mark.deep

STOCK_ENV_PY = """
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config

def run_migrations_offline():
    context.configure(url=config.get_main_option("sqlalchemy.url"), literal_binds=True,
                      dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()

def run_migrations_online():
    connectable = engine_from_config(config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.",
                                     poolclass=pool.NullPool)
    with connectable.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()

if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """A project with revisions a to d and the stock `env.py`, on an empty database."""
    (project.folder / "migrations" / "env.py").write_text(STOCK_ENV_PY)
    project.add("a", 'op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))')
    project.add("b", 'op.add_column("orders", sa.Column("n", sa.Integer, nullable=False))', down="a", phase="expand")
    block = 'op.create_index("ix_n", "orders", ["n"], postgresql_concurrently=True)'
    project.add("c", f"\n    with op.get_context().autocommit_block():\n        {block}", down="b")
    project.add("d", 'op.execute("UPDATE orders SET n = 1"); op.drop_column("orders", "n")', down="c", phase="contract")
    return project


def stamp(project: Project, revision: str) -> None:
    """Say that the database is at a revision."""
    project.query("CREATE TABLE alembic_version (version_num varchar(32))")
    project.query("INSERT INTO alembic_version VALUES (%s)", revision)


def comments_before(sql: str, text: str) -> str:
    """The comment lines directly before a statement."""
    block = text.split(sql, maxsplit=1)[0].rsplit("\n\n", maxsplit=1)[-1]
    assert all(line.startswith("--") for line in block.splitlines()), block
    return block


def test_plan_shows_each_revision_with_its_statements_and_what_they_lock_and_executes_nothing(shop: Project) -> None:
    stamp(shop, "a")
    result = shop.tidegate("plan")
    assert result.code == 0, result.err
    headings = [line for line in result.out.splitlines() if " of 3: " in line]
    assert headings == [
        "-- 1 of 3: b (expand) revision b",
        "-- 2 of 3: c revision c",
        "-- 3 of 3: d (contract) revision d",
    ]
    added = comments_before("ALTER TABLE orders ADD COLUMN n INTEGER NOT NULL;", result.out)
    assert "ACCESS EXCLUSIVE on orders" in added
    assert "breaks the old version: it does not fill n" in added
    index = comments_before("CREATE INDEX CONCURRENTLY ix_n ON orders (n);", result.out)
    assert "SHARE UPDATE EXCLUSIVE on orders" in index
    assert "outside of a transaction" in index
    assert "alembic_version" not in result.out
    assert shop.at() == ["a"]
    assert shop.query("SELECT to_regclass('orders'), to_regnamespace('tidegate')") == [(None, None)]


def test_plan_from_a_revision_needs_no_database(shop: Project) -> None:
    result = shop.tidegate("plan", "--from", "b", "c", DATABASE_URL="")
    assert result.code == 0, result.err
    assert "\n-- 1 of 1: c revision c\n" in result.out


def test_plan_as_json_has_the_same_and_what_pending_revisions_create_is_in_nobodys_way(shop: Project) -> None:
    plan = shop.tidegate("plan", "--from", "base", "--format", "json").json()
    assert [one["id"] for one in plan["revisions"]] == ["a", "b", "c", "d"]
    assert plan["revisions"][2]["statements"] == [
        {
            "sql": "CREATE INDEX CONCURRENTLY ix_n ON orders (n)",
            "kind": "CREATE INDEX CONCURRENTLY",
            "locks": [],
            "outside_transaction": True,
            "effects": [],
        }
    ]
    (update, _) = plan["revisions"][3]["statements"]
    assert (update["sql"], update["locks"]) == ("UPDATE orders SET n = 1", [])


def test_plan_says_that_nothing_is_pending_and_that_a_revision_is_unknown(shop: Project) -> None:
    stamp(shop, "d")
    assert shop.tidegate("plan").out == "-- nothing is pending: the database is at d\n"
    shop.query("UPDATE alembic_version SET version_num = 'ffff'")
    assert shop.tidegate("plan").code == 8


def test_a_revision_that_is_not_there_is_a_usage_error(shop: Project) -> None:
    assert shop.tidegate("plan", "--from", "a", "zz").code == 64


def test_revisions_that_need_the_database_are_named_shown_from_their_files_and_hide_no_other(shop: Project) -> None:
    asking = (
        'op.add_column("orders", sa.Column("m", sa.Integer)); '
        'n = op.get_bind().execute(sa.text("SELECT count(*) FROM orders")).scalar(); '
        'op.drop_column("orders", "id"); op.create_index(op.f("ix_m"), "orders", ["m"]); '
        'op.execute("DELETE FROM orders")'
    )
    own = shop.url.replace("postgresql:", "postgresql+psycopg2:")
    shop.add("e", asking, down="d")
    shop.add("f", "sa.inspect(op.get_bind()).get_table_names()", down="e")
    shop.add("g", f'sa.create_engine("{own}").connect().execute(sa.text("CREATE TABLE touched ()"))', down="f")
    shop.add("h", "\n    from alembic import context\n    assert context.is_offline_mode()", down="g")
    shop.add("i", "\n    while True:\n        op.execute('DELETE FROM orders'); time.sleep(0.01)", down="h")
    shop.add("j", 'op.execute("SELECT 1, \'" + "x" * 200000 + "\'")', down="i")
    shop.add(
        "k",
        "import os; op.execute(\"CREATE ROLE app PASSWORD 'geheim43'\"); raise RuntimeError(os.environ['OWN'])",
        down="j",
    )
    result = shop.tidegate("plan", "--from", "d", OWN="postgresql://app:geheim42@db/db")
    assert result.code == 0, result.err
    _, e, f, g, h, i, j, k = result.out.split(" of 7: ")
    assert "cannot be rendered without the database, only what stands before it" in e
    assert "line 13: it reads from the database (AttributeError" in e
    assert "ACCESS EXCLUSIVE on orders" in comments_before("ALTER TABLE orders ADD COLUMN m INTEGER;", e)
    assert "-- drop_column orders id\n--   ACCESS EXCLUSIVE on orders" in e
    assert "-- create_index ix_m orders\n--   SHARE on orders" in e
    assert "-- DELETE FROM orders\n--   ROW EXCLUSIVE on orders" in e
    assert "NoInspectionAvailable" in f
    assert "it connects to the database" in g
    assert "it may do something else when it really runs" in h
    assert "it was stopped after 3 s; perhaps it waits for what the database says" in i
    assert i.count("DELETE FROM orders;") == 1
    assert "SELECT 1, 'xxx" in j
    assert "RuntimeError: postgresql://app:***@db/db" in k
    assert "CREATE ROLE app PASSWORD ***;" in k
    assert "geheim" not in result.out + result.err


TRIES = """
import asyncio
import contextlib
import asyncpg
import psycopg2

OWN = os.environ["OWN"]

def on_its_own():
    create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(OWN)).connect()

for attempt in (
    lambda: create_engine(OWN).connect(),
    lambda: create_engine(OWN.replace("postgresql", "postgresql+asyncpg"), _is_async=True).connect(),
    on_its_own,
    lambda: psycopg2.connect(OWN),
    lambda: asyncio.run(asyncpg.connect(OWN)),
):
    with contextlib.suppress(Exception):
        attempt()
        open("touched", "w").close()
raise SystemExit("online only")
"""


def test_an_env_py_that_connects_anyway_does_not_reach_the_database(project: Project) -> None:
    project.write_env(guard=False, top=TRIES)
    project.add("a", 'op.create_table("t", sa.Column("id", sa.Integer))')
    result = project.tidegate("plan", "--from", "base", OWN=project.url.replace("postgresql:", "postgresql+psycopg2:"))
    assert result.code == 0, result.err
    assert "CREATE TABLE t" in result.out
    assert "rendered without `env.py`, which does not work offline: SystemExit: online only" in result.out
    assert not (project.folder / "touched").exists()


def test_an_env_py_without_an_offline_branch_is_done_without(project: Project) -> None:
    env = project.folder / "migrations" / "env.py"
    env.write_text(STOCK_ENV_PY.split("if context.is_offline_mode", maxsplit=1)[0] + "run_migrations_online()\n")
    project.add("a", 'op.create_table("t", sa.Column("id", sa.Integer))')
    result = project.tidegate("plan", "--from", "base")
    assert "CREATE TABLE t" in result.out
    assert "rendered without `env.py`" in result.out
