"""`tidegate check`: go or no-go, by a role that can only read, with everything that stands in the way named."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from conftest import MAJORS
from test_plan import STOCK_ENV_PY
from test_pooler import pgbouncer
from tools.postgres import free_port

from tidegate.check.finding import CHECKS, NO_GO, OK, WARNING, Finding, exit_code_of
from tidegate.check.report import Report, check
from tidegate.check.tables import Table
from tidegate.database.lock import MUTEX
from tidegate.report.target import find_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project

pytestmark = pytest.mark.deep

DOCS = Path(__file__).parent.parent / "docs" / "check.md"


@pytest.fixture
def shop(project: Project) -> Project:
    """A project whose database is at revision a, with a table `orders`; b and c are pending."""
    (project.folder / "migrations" / "env.py").write_text(STOCK_ENV_PY)
    project.add("a", 'op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))')
    project.query("CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('a')")
    project.query("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id; ANALYZE orders")
    project.add("b", 'op.add_column("orders", sa.Column("n", sa.Integer))', down="a", phase="expand")
    block = 'op.create_index("ix_n", "orders", ["n"], postgresql_concurrently=True)'
    project.add("c", f"\n    with op.get_context().autocommit_block():\n        {block}", down="b")
    return project


@pytest.fixture
def reader(project: Project) -> Iterator[str]:
    """The URL of a role that can only read, and that the server keeps from writing."""
    project.query("CREATE ROLE only_reads LOGIN CONNECTION LIMIT 3")
    project.query("ALTER ROLE only_reads SET default_transaction_read_only = on")
    project.query("GRANT pg_read_all_data TO only_reads")
    yield project.url.replace("postgres@", "only_reads@")
    project.query("DROP ROLE only_reads")


def checked(project: Project, url: str | None = None) -> dict[str, Any]:
    """The report as JSON has it."""
    return check(find_target(str(project.folder / "alembic.ini"), database_url=url or project.url)).as_json()


def findings(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """What one check says."""
    return [finding for finding in report["findings"] if finding["check"] == name]


def only(report: dict[str, Any], name: str) -> dict[str, Any]:
    """The one thing that a check says."""
    (finding,) = findings(report, name)
    return finding


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_a_role_that_can_only_read_gets_the_whole_report_and_pending_revisions_are_no_obstacle(
    shop: Project, reader: str
) -> None:
    options = ("--database-url", reader, "--as-role", "postgres")
    result = shop.tidegate("check", "--format", "json", *options)
    assert result.code == 0, result.out + result.err
    report = result.json()
    assert (report["verdict"], report["exit_code"], report["state"]) == ("go", 0, "behind")
    assert report["pending"] == ["b", "c"]
    assert report["revisions"][0]["statements"][0]["locks"] == [
        {"schema": None, "relation": "orders", "mode": "AccessExclusiveLock"}
    ]
    (table,) = report["tables"]
    assert (table["name"], table["rows"], table["mode"]) == ("orders", 1000, "AccessExclusiveLock")
    assert table["bytes"] > 8192
    checks = "state database blockers snapshots lock connections damage privileges"
    assert {finding["check"] for finding in report["findings"]} == set(checks.split())
    assert set(checks.split()) < set(CHECKS)
    text = shop.tidegate("check", *options).out
    assert text.startswith("go\n")
    assert "ACCESS EXCLUSIVE on orders" in text


def test_what_the_role_lacks_is_named_one_by_one(shop: Project, reader: str) -> None:
    report = checked(shop, reader)
    assert report["exit_code"] == 13
    said = "\n".join(f"{finding['what']}; {finding['hint']}" for finding in findings(report, "privileges"))
    assert "can only read" in said
    assert "may not create the schema `tidegate`, where runs are recorded; as a superuser: `GRANT CREATE ON" in said
    assert "may not write `alembic_version`" in said
    assert "does not own `orders`, which a pending revision changes; `postgres` does" in said
    connections = only(report, "connections")
    assert (connections["severity"], connections["exit_code"]) == ("no-go", 12)


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_whoever_is_in_the_way_now_is_named_and_it_is_still_go(shop: Project) -> None:
    with shop.connection() as open_transaction, open_transaction.cursor() as cursor:
        cursor.execute("SET application_name = 'report job'; BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM orders, pg_sleep(1.1)")
        pid = open_transaction.info.backend_pid
        report = checked(shop)
    assert report["verdict"] == "go"
    for name in ("blockers", "snapshots"):
        finding = only(report, name)
        assert finding["severity"] == "warning"
        assert f"pid {pid} (`report job`" in finding["what"]
        assert f"SELECT pg_terminate_backend({pid})" in finding["hint"]


def test_who_holds_what_is_not_named_in_the_statement_is_in_the_way_too(shop: Project) -> None:
    shop.query("CREATE TABLE far (id int PRIMARY KEY); CREATE TABLE near (far_id int REFERENCES far)")
    shop.query("CREATE TABLE parts (id int) PARTITION BY LIST (id)")
    shop.query("CREATE TABLE part PARTITION OF parts FOR VALUES IN (1)")
    shop.query("CREATE INDEX orders_id ON orders (id)")
    shop.add("d", 'op.drop_table("near"); op.drop_index("orders_id")', down="c")
    shop.add("e", 'op.add_column("parts", sa.Column("x", sa.Integer))', down="d")
    with shop.connection() as blocker, blocker.cursor() as cursor:
        cursor.execute("BEGIN; SELECT FROM far, part, pg_sleep(0.2)")
        report = checked(shop)
    modes = {table["name"]: table["mode"] for table in report["tables"]}
    assert modes == dict.fromkeys(("near", "far", "parts", "part", "orders"), "AccessExclusiveLock")
    said = "\n".join(finding["what"] for finding in findings(report, "blockers"))
    assert re.search(r"\bon far\b|\bon part\b", said)


def test_a_statement_that_must_fail_or_takes_long_or_breaks_the_old_version_is_told_before(shop: Project) -> None:
    shop.query("CREATE TABLE big (x text); ALTER TABLE big ALTER x SET STORAGE PLAIN")
    shop.query("INSERT INTO big SELECT repeat('x', 8000) FROM generate_series(1, 9000)")
    shop.add("d", 'op.add_column("orders", sa.Column("m", sa.Integer, nullable=False))', down="c")
    not_valid = 'op.create_check_constraint("x_set", "big", "x IS NOT NULL", postgresql_not_valid=True)'
    shop.add("e", f'{not_valid}; op.execute("ALTER TABLE big VALIDATE CONSTRAINT x_set")', down="d")
    shop.add("f", 'op.drop_table("big")', down="e", phase="contract")
    report = checked(shop)
    assert report["exit_code"] == 10
    assert only(report, "tables")["what"] == (
        "revision d will fail: orders has rows, and m is NOT NULL without a default"
    )
    validation = only(report, "duration")
    assert validation["what"].startswith("revision e, ALTER TABLE on big (70")
    assert validation["why"] == "an earlier statement holds ACCESS EXCLUSIVE on big until the revision commits"
    assert only(report, "phases")["what"] == "revision d breaks the version that runs now: it does not fill m"


def test_the_version_table_is_found_where_env_py_keeps_it(shop: Project) -> None:
    shop.query(
        "CREATE SCHEMA ops; ALTER TABLE alembic_version SET SCHEMA ops; ALTER TABLE ops.alembic_version RENAME TO v"
    )
    elsewhere = STOCK_ENV_PY.replace(
        "context.configure(", 'context.configure(version_table="v", version_table_schema="ops", '
    )
    (shop.folder / "migrations" / "env.py").write_text(elsewhere)
    assert checked(shop)["pending"] == ["b", "c"]


def test_damage_and_another_run_are_no_go_unless_a_pending_revision_mends_it(shop: Project) -> None:
    shop.query("CREATE INDEX ix_n ON orders (id)")
    shop.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_n'::regclass")
    with shop.connection() as other, other.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock({MUTEX})")
        held = checked(shop)
        assert held["exit_code"] == 11
        assert f"pid {other.info.backend_pid}" in only(held, "lock")["what"]
        assert only(held, "damage")["severity"] == "warning"
        shop.query("CREATE INDEX other ON orders (id)")
        shop.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'other'::regclass")
        damaged = checked(shop)
    assert damaged["exit_code"] == 15, "which is more important than the lock: it does not pass by itself"
    assert [finding["severity"] for finding in findings(damaged, "damage")] == ["no-go", "warning"]


def test_a_current_database_is_go_and_an_unknown_revision_is_no_go_with_its_own_code(shop: Project) -> None:
    shop.query("UPDATE alembic_version SET version_num = 'c'")
    current = checked(shop)
    assert (current["exit_code"], current["state"], current["revisions"]) == (0, "current", [])
    shop.query("UPDATE alembic_version SET version_num = 'ffff'")
    unknown = shop.tidegate("check")
    assert (unknown.code, unknown.out.split("\n")[0]) == (8, "no-go (exit code 8)")
    assert "hint: start the version that migrated last" in unknown.out


def test_a_newer_database_that_lacks_what_this_code_needs_is_no_go(shop: Project) -> None:
    shop.add("d", 'op.drop_column("orders", "n")', down="c", phase="contract")
    assert shop.tidegate("upgrade").code == 0
    (shop.folder / "migrations" / "versions" / "d.py").unlink()
    result = shop.tidegate("check")
    assert (result.code, result.out.split("\n")[0]) == (5, "no-go (exit code 5)")
    assert "incompatible: `d` removed what this code needs" in result.out
    assert "hint: start the newer version again" in result.out


def test_several_heads_are_no_go(shop: Project) -> None:
    shop.add("x", "pass", down="a")
    result = shop.tidegate("check")
    assert (result.code, result.out.split("\n")[0]) == (6, "no-go (exit code 6)")
    assert "diverged: the code has several heads: " in result.out
    assert "hint: join the heads with `alembic merge heads`" in result.out


def test_a_database_that_does_not_answer_is_no_go(shop: Project) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/x"
    result = shop.tidegate("check", "--wait-for-db", "0.5s", "--format", "json", DATABASE_URL=nowhere)
    assert result.code == 12
    finding = only(result.json(), "database")
    assert (finding["severity"], finding["exit_code"]) == ("no-go", 12)
    assert "for the database" in finding["what"]
    assert "start it, or wait longer with `--wait-for-db 5m`" in finding["hint"]


def test_a_version_table_that_somebody_has_locked_is_no_go_for_now(shop: Project) -> None:
    with shop.connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE alembic_version")
        report = checked(shop)
    assert report["exit_code"] == 11
    assert "somebody has locked `alembic_version`" in only(report, "lock")["what"]


def test_a_transaction_pooler_is_no_go_and_gets_no_setting_of_ours(shop: Project, tmp_path: Path) -> None:
    (tmp_path / "pooler").mkdir()
    with pgbouncer(shop, tmp_path / "pooler", "transaction") as url:
        result = shop.tidegate("check", "--format", "json", DATABASE_URL=url)
        with contextlib.closing(psycopg2.connect(url)) as application, application.cursor() as cursor:
            settings = ("default_transaction_read_only", "lock_timeout", "statement_timeout")
            cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in settings))
            left_behind = cursor.fetchone()
    assert left_behind == ("off", "0", "0"), "what is set through a transaction pooler, the application gets"
    assert result.code == 14
    assert "pooler" in only(result.json(), "database")["what"]


def test_a_database_that_refuses_is_a_report_too(shop: Project) -> None:
    report = checked(shop, f"{shop.url}_not_there")
    assert (report["exit_code"], report["state"]) == (13, None)
    assert only(report, "database")["severity"] == "no-go"


def test_a_revision_file_that_cannot_be_loaded_is_no_go(shop: Project) -> None:
    shop.add("d", "pass", down="c").write_text("import nowhere_to_be_found\nrevision = 'd'\ndown_revision = 'c'\n")
    report = checked(shop)
    assert report["exit_code"] == 64
    assert "ModuleNotFoundError" in findings(report, "revisions")[0]["what"]


@pytest.mark.skipif(not DOCS.exists(), reason="the wheel carries no documentation")
def test_the_documentation_lists_every_check_with_its_exit_codes_and_every_key() -> None:
    text = DOCS.read_text()
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d, ]*)\|$", text, re.MULTILINE)
    assert {name: tuple(map(int, re.findall(r"\d+", codes))) for name, codes in rows} == CHECKS
    report = Report([Finding("state", OK, "")], tables=[Table(1, "t", 1, 1, "ShareLock")])
    one = {"findings": report.as_json()["findings"][0], "tables": report.as_json()["tables"][0]}
    keys = [*report.as_json(), *one["findings"], *one["tables"]]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_the_most_important_no_go_gives_the_exit_code() -> None:
    def code(*codes: int) -> int:
        return exit_code_of([Finding("x", NO_GO, "", exit_code=code) for code in codes])

    assert exit_code_of([Finding("x", OK, ""), Finding("y", WARNING, "")]) == 0
    assert [code(11, 15, 13), code(12, 11), code(13, 8), code(8, 14)] == [13, 12, 8, 14]
