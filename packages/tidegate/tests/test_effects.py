"""What is told of a statement from its text alone: flags, effects, new relations, and that nothing raises."""

from __future__ import annotations

import pytest

from tidegate.sql.effects import read_statements


def test_relations_that_the_same_text_created_are_in_nobodys_way() -> None:
    text = (
        "CREATE TABLE new (id int, b_id int REFERENCES b); CREATE INDEX i ON new (id); "
        "ALTER TABLE new RENAME TO newer; ALTER TABLE newer ADD COLUMN x int NOT NULL; "
        "DROP INDEX i; UPDATE newer SET x = 1; DROP TABLE newer"
    )
    first, *rest = read_statements(text) or ()
    assert [relation.name for relation in first.locks] == ["b"]
    assert [(one.kind, one.locks, one.effects) for one in rest if one.locks or one.effects] == []
    (later,) = read_statements("ALTER TABLE new ADD COLUMN x int", first.creates) or ()
    assert later.locks == ()
    (other,) = read_statements("ALTER TABLE public.new ADD COLUMN x int", first.creates) or ()
    assert other.locks != (), "the one that was created may be in another schema"


def test_a_table_that_may_exist_already_counts_as_existing() -> None:
    *_, second = read_statements("CREATE TABLE IF NOT EXISTS b (id int); ALTER TABLE b ADD x int") or ()
    assert [relation.mode for relation in second.locks] == ["AccessExclusiveLock"]


@pytest.mark.parametrize(
    "text", ["garbage", "SELECT (", "\0", "SELECT 1;\0", "\ud800", "(" * 100_000, "%s", "ALTER TABLE", "'"]
)
def test_what_is_no_sql_is_nothing_and_no_error(text: str) -> None:
    assert read_statements(text) is None


@pytest.mark.parametrize("text", ["", " -- nothing", "/* c */;"])
def test_an_empty_text_has_no_statements(text: str) -> None:
    assert read_statements(text) == ()


@pytest.mark.parametrize(
    "text", ["UPDATE b SET a = %(a)s", "UPDATE b SET a = %s", "UPDATE b SET a = :a", "UPDATE b SET a = $1::int"]
)
def test_the_placeholders_of_every_driver_are_understood(text: str) -> None:
    (one,) = read_statements(text) or ()
    assert (one.kind, one.sql) == ("UPDATE", text)


def test_a_long_text_costs_no_more_than_parsing_it_and_a_longer_one_is_left_alone() -> None:
    rows = ", ".join(f"({number}, now(), (SELECT max(id) FROM c))" for number in range(10_000))
    (one,) = read_statements(f"INSERT INTO b VALUES {rows}") or ()
    assert [relation.name for relation in one.locks] == ["b", "c"]
    assert read_statements(f"SELECT '{'x' * 1_000_000}'") is None


def test_statements_are_told_apart_by_their_bytes() -> None:
    texts = [one.sql for one in read_statements("SELECT 'ä;ö'; -- é\nDROP TABLE é;\n\n SELECT 2 -- end") or ()]
    assert texts == ["SELECT 'ä;ö'", "DROP TABLE é", "SELECT 2 -- end"]


def flags(text: str) -> set[str]:
    """The claims that are true of the only statement in a text."""
    (one,) = read_statements(text) or ()
    names = ("runs_alone", "takes_its_time", "is_repeatable", "sets_lock_timeout", "ends_transaction")
    return {name for name in names if getattr(one, name)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ALTER TABLE a ADD COLUMN x int", ""),
        ("ALTER TABLE a ADD COLUMN IF NOT EXISTS x int", "is_repeatable"),
        ("ALTER TABLE a ADD COLUMN IF NOT EXISTS x int, DROP COLUMN y", ""),
        ("ALTER TABLE a ALTER x TYPE bigint", "is_repeatable"),
        ("ALTER TABLE a ALTER x TYPE bigint USING x * 2", ""),
        ("ALTER TABLE a VALIDATE CONSTRAINT c", "takes_its_time is_repeatable"),
        ("ALTER TABLE a VALIDATE CONSTRAINT c, ADD COLUMN x int", ""),
        ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", "runs_alone takes_its_time"),
        ("CREATE INDEX i ON a (x)", ""),
        ("CREATE INDEX IF NOT EXISTS i ON a (x)", "is_repeatable"),
        ("CREATE INDEX CONCURRENTLY i ON a (x)", "runs_alone takes_its_time is_repeatable"),
        ("DROP INDEX CONCURRENTLY i", "runs_alone takes_its_time"),
        ("DROP INDEX CONCURRENTLY IF EXISTS i", "runs_alone takes_its_time is_repeatable"),
        ("DROP TABLE IF EXISTS a", "is_repeatable"),
        ("DROP TABLE a", ""),
        ("REINDEX INDEX CONCURRENTLY i", "runs_alone takes_its_time is_repeatable"),
        ("REINDEX (CONCURRENTLY off) INDEX i", "is_repeatable"),
        ("VACUUM a", "runs_alone takes_its_time is_repeatable"),
        ("VACUUM FULL a", "runs_alone is_repeatable"),
        ("ANALYZE a", "is_repeatable"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY mv", "is_repeatable"),
        ("COMMENT ON TABLE a IS 'x'", "is_repeatable"),
        ("SELECT count(*) FROM a", "is_repeatable"),
        ("SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint", "is_repeatable"),
        ("SELECT do_something()", ""),
        ("SELECT nextval('s')", ""),
        ("SELECT * INTO x FROM a", ""),
        ("WITH x AS (DELETE FROM a RETURNING 1) SELECT * FROM x", ""),
        ("DO $$ BEGIN END $$", ""),
        ("INSERT INTO a VALUES (1)", ""),
        ("SET lock_timeout = '1s'", "sets_lock_timeout is_repeatable"),
        ("SET LOCAL lock_timeout TO DEFAULT", "sets_lock_timeout is_repeatable"),
        ("RESET ALL", "sets_lock_timeout is_repeatable"),
        ("SET statement_timeout = 0", "is_repeatable"),
        ("SELECT set_config('lock_timeout', '1s', true)", "sets_lock_timeout is_repeatable"),
        ("COMMIT", "ends_transaction"),
        ("END", "ends_transaction"),
        ("ROLLBACK", "ends_transaction"),
        ("ROLLBACK TO SAVEPOINT x", ""),
        ("SAVEPOINT x", ""),
        ("BEGIN", ""),
    ],
)
def test_what_a_run_must_know_of_a_statement(text: str, expected: str) -> None:
    assert flags(text) == set(expected.split())


def test_an_index_that_is_built_or_dropped_concurrently_is_named() -> None:
    (one,) = read_statements('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I x" ON shop.a (x)') or ()
    assert one.new_index == ("shop", "I x", "shop", "a", True)
    (one,) = read_statements("CREATE INDEX CONCURRENTLY ON a (x)") or ()
    assert one.new_index == (None, None, None, "a", False)
    (one,) = read_statements("DROP INDEX CONCURRENTLY shop.i") or ()
    assert one.drops_index == (("shop", "i"),)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ALTER TABLE a ADD x uuid DEFAULT gen_random_uuid()", "rewrites the table"),
        ("ALTER TABLE a ADD x timestamptz DEFAULT clock_timestamp()", "rewrites the table"),
        ("ALTER TABLE a ADD x int DEFAULT own()", "rewrites the table if own() is volatile"),
        ("ALTER TABLE a ADD x serial", "rewrites"),
        ("ALTER TABLE a ADD x int GENERATED ALWAYS AS IDENTITY", "rewrites"),
        ("ALTER TABLE a ADD x int GENERATED ALWAYS AS (1) STORED", "rewrites"),
        ("ALTER TABLE a ADD x int NOT NULL", "breaks the old version"),
        ("ALTER TABLE a ADD x int CHECK (x > 0)", "scans"),
        ("ALTER TABLE a ADD x int DEFAULT 1 REFERENCES b", "scans"),
        ("ALTER TABLE a ADD x int UNIQUE", "scans"),
        ("ALTER TABLE a ALTER x TYPE bigint", "may rewrite"),
        ("ALTER TABLE a ALTER x SET NOT NULL", "scans"),
        ("ALTER TABLE a ADD CHECK (x > 0)", "scans"),
        ("ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b", "scans"),
        ("ALTER TABLE a ADD PRIMARY KEY (x)", "scans"),
        ("ALTER TABLE a DROP COLUMN x", "breaks the old version"),
        ("ALTER TABLE a RENAME x TO y", "breaks the old version: column a.x is called y"),
        ("ALTER TABLE a RENAME TO y", "breaks the old version: table a is called y"),
        ("ALTER TYPE color RENAME VALUE 'red' TO 'rot'", "breaks the old version"),
        ("DROP TABLE a", "breaks the old version"),
        ("ALTER TABLE a SET SCHEMA b", "breaks the old version"),
        ("ALTER TABLE a SET LOGGED", "rewrites"),
        ("CREATE INDEX ON a (x)", "writers wait"),
        ("UPDATE a SET x = 1", "writes every row"),
        ("VACUUM FULL a", "rewrites"),
        ("DO $$ BEGIN END $$", "cannot be told"),
        ("SELECT own()", "calls own()"),
        ("ALTER DOMAIN d ADD CHECK (VALUE > 0)", "scans every table"),
        ("TRUNCATE a", "deletes every row"),
    ],
)
def test_what_people_should_know_is_said(text: str, word: str) -> None:
    (one,) = read_statements(text) or ()
    assert word in "\n".join(one.effects)


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE a ADD x timestamptz DEFAULT now()",
        "ALTER TABLE a ADD x timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL",
        "ALTER TABLE a ADD x text DEFAULT 'y' NOT NULL",
        "ALTER TABLE a ADD x int REFERENCES b",
        "ALTER TABLE a ADD x int GENERATED ALWAYS AS (1) VIRTUAL",
        "ALTER TABLE a ADD CHECK (x > 0) NOT VALID",
        "ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b NOT VALID",
        "ALTER TABLE a ADD CONSTRAINT u UNIQUE USING INDEX i",
        "ALTER TABLE a ADD CONSTRAINT n NOT NULL x NOT VALID",
        "CREATE TABLE x (id int)",
        "COMMENT ON TABLE a IS 'x'",
        "UPDATE a SET x = 1 WHERE id = 1",
        "SELECT now()",
    ],
)
def test_what_is_harmless_is_not_talked_about(text: str) -> None:
    (one,) = read_statements(text) or ()
    assert one.effects == ()
