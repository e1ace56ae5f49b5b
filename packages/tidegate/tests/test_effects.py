"""Predicted locks against `pg_locks`: every example is executed, and what it holds is what was foretold."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from conftest import MAJORS, execute
from projects import until

from tidegate.effects import read_statements
from tidegate.found import MODES, strength

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case
    from tools.postgres import Cluster

BEFORE = """
CREATE SCHEMA shop;
CREATE TABLE shop.a (id int PRIMARY KEY, n int NOT NULL, m int, name varchar(20), parent int);
CREATE TABLE b (id int PRIMARY KEY, a_id int, name text);
CREATE TABLE c (id int PRIMARY KEY, b_id int REFERENCES b);
CREATE INDEX a_name ON shop.a (name);
CREATE UNIQUE INDEX b_name ON b (name);
ALTER TABLE shop.a ADD CONSTRAINT m_positive CHECK (m > 0) NOT VALID;
ALTER TABLE b ADD CONSTRAINT b_a FOREIGN KEY (a_id) REFERENCES shop.a NOT VALID;
CREATE VIEW v AS SELECT id FROM b;
CREATE MATERIALIZED VIEW mv AS SELECT id FROM b;
CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE SEQUENCE s;
CREATE TYPE color AS ENUM ('red');
CREATE TABLE events (id int, day int) PARTITION BY LIST (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
CREATE TABLE events_2 (id int, day int);
CREATE TABLE plain (id int);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION f();
CREATE POLICY pol ON b;
"""

IN_A_TRANSACTION = [
    "ALTER TABLE shop.a ADD COLUMN x int",
    "ALTER TABLE shop.a ADD COLUMN x int REFERENCES b",
    "ALTER TABLE shop.a ADD COLUMN x int DEFAULT random() NOT NULL",
    "ALTER TABLE shop.a DROP COLUMN m",
    "ALTER TABLE shop.a ALTER COLUMN n TYPE bigint",
    "ALTER TABLE shop.a ALTER COLUMN n SET DEFAULT 1, ALTER COLUMN m SET STATISTICS 10",
    "ALTER TABLE shop.a ALTER COLUMN m SET NOT NULL",
    "ALTER TABLE shop.a ALTER COLUMN m SET STATISTICS 10",
    "ALTER TABLE shop.a ALTER COLUMN m SET (n_distinct = 5)",
    "ALTER TABLE shop.a ALTER COLUMN name SET STORAGE EXTERNAL",
    "ALTER TABLE shop.a ADD CONSTRAINT n_positive CHECK (n > 0) NOT VALID",
    "ALTER TABLE shop.a ADD CONSTRAINT fk FOREIGN KEY (parent) REFERENCES b",
    "ALTER TABLE shop.a ADD CONSTRAINT fk FOREIGN KEY (parent) REFERENCES b NOT VALID, ADD UNIQUE (n)",
    "ALTER TABLE b ADD CONSTRAINT b_unique UNIQUE USING INDEX b_name",
    "ALTER TABLE shop.a VALIDATE CONSTRAINT m_positive",
    "ALTER TABLE shop.a DROP CONSTRAINT m_positive",
    "ALTER TABLE shop.a SET (fillfactor = 70, autovacuum_enabled = off)",
    "ALTER TABLE shop.a SET (user_catalog_table = true)",
    "ALTER TABLE shop.a RESET (fillfactor)",
    "ALTER TABLE shop.a CLUSTER ON a_pkey",
    "ALTER TABLE events_2 SET UNLOGGED",
    "ALTER TABLE shop.a ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE shop.a REPLICA IDENTITY FULL",
    "ALTER TABLE b DISABLE TRIGGER ALL",
    "ALTER TABLE b ENABLE ALWAYS TRIGGER tr",
    "ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES IN (2)",
    "ALTER TABLE events DETACH PARTITION events_1",
    "ALTER TABLE events_2 INHERIT plain, ADD COLUMN x int",
    "ALTER INDEX shop.a_name SET (fillfactor = 70)",
    "ALTER VIEW v ALTER COLUMN id SET DEFAULT 1",
    "ALTER SEQUENCE s OWNED BY b.id",
    "ALTER TABLE shop.a RENAME COLUMN n TO n2",
    "ALTER TABLE shop.a RENAME CONSTRAINT m_positive TO m2",
    "ALTER TABLE shop.a RENAME TO a2",
    "ALTER INDEX shop.a_name RENAME TO a_name2",
    "ALTER VIEW v RENAME TO v2",
    "ALTER TABLE shop.a SET SCHEMA public",
    "ALTER TYPE color RENAME TO colour",
    "ALTER TYPE color ADD VALUE 'blue'",
    "CREATE INDEX ON shop.a (n)",
    "CREATE UNIQUE INDEX i ON b (name)",
    "CREATE STATISTICS st ON id, a_id FROM b",
    "CREATE TRIGGER tr2 BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION f()",
    "ALTER TRIGGER tr ON b RENAME TO tr2",
    "CREATE RULE r AS ON INSERT TO b DO NOTHING",
    "CREATE POLICY pol2 ON b",
    "ALTER POLICY pol ON b USING (true)",
    "CREATE TABLE new (id int REFERENCES b, again int REFERENCES shop.a, self int)",
    "CREATE TABLE events_3 PARTITION OF events FOR VALUES IN (3)",
    "CREATE TABLE child () INHERITS (b)",
    "CREATE TABLE new (LIKE b)",
    "CREATE TABLE new AS SELECT * FROM b",
    "CREATE VIEW v2 AS SELECT id FROM b",
    "CREATE OR REPLACE VIEW v AS SELECT id FROM b",
    "CREATE SEQUENCE s2 OWNED BY b.id",
    "DROP VIEW v",
    "DROP MATERIALIZED VIEW mv",
    "DROP SEQUENCE s",
    "DROP TRIGGER tr ON b",
    "DROP POLICY pol ON b",
    "DROP TABLE events_2",
    "DROP TYPE color",
    "TRUNCATE events_2, c",
    "LOCK TABLE shop.a, b IN SHARE MODE",
    "REINDEX TABLE shop.a",
    "CLUSTER shop.a USING a_pkey",
    "ANALYZE b",
    "COMMENT ON TABLE shop.a IS 'x'",
    "COMMENT ON COLUMN shop.a.n IS 'x'",
    "COMMENT ON CONSTRAINT m_positive ON shop.a IS 'x'",
    "COMMENT ON TRIGGER tr ON b IS 'x'",
    "SELECT * FROM shop.a JOIN b ON true",
    "SELECT * FROM shop.a FOR UPDATE",
    "INSERT INTO shop.a SELECT id, 1 FROM b",
    "UPDATE b SET name = 'x' FROM c WHERE c.b_id = b.id",
    "DELETE FROM c",
    "WITH gone AS (DELETE FROM c RETURNING id) SELECT * FROM gone",
    "MERGE INTO b USING events_2 ON true WHEN MATCHED THEN DO NOTHING",
    "SET LOCAL work_mem = '4MB'",
    "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'",
]
"""Each is executed in a transaction of its own, and every lock on a table or view compared."""

BEYOND_THE_TEXT = [
    ("DROP INDEX shop.a_name", {"shop.a"}),
    ("REINDEX INDEX shop.a_name", {"shop.a"}),
    ("DROP TABLE c", {"public.b"}),
    ("ALTER TABLE c DROP CONSTRAINT c_b_id_fkey", {"public.b"}),
    ("ALTER TABLE b VALIDATE CONSTRAINT b_a", {"shop.a"}),
    ("REFRESH MATERIALIZED VIEW mv", {"public.b"}),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY mv", {"public.b"}),
    ("ALTER TABLE events ADD COLUMN x int", {"public.events_1"}),
    ("SELECT * FROM v", {"public.b"}),
]
"""Examples that lock relations which no text names: a test, so that the list of what cannot be told stays true."""

ALONE = [
    "CREATE INDEX CONCURRENTLY i ON b (a_id)",
    "DROP INDEX CONCURRENTLY b_name",
    "REINDEX TABLE CONCURRENTLY b",
    "ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY",
    "VACUUM b",
    "VACUUM (FULL) b",
    "CLUSTER b USING b_pkey",
    "ALTER TABLE b ADD COLUMN x int",
]
"""Each is made to wait for its first lock on a named relation, and the mode it asks for is compared."""


@pytest.fixture(scope="module")
def sandbox(servers: Callable[[str], Cluster]) -> Iterator[Callable[[str], str]]:
    """The URL of a database with the tables above, on the server of this name."""
    urls: dict[str, str] = {}

    def url(name: str) -> str:
        if name not in urls:
            server = servers(name)
            execute(server.url, "CREATE DATABASE effects")
            urls[name] = server.database_url("effects")
            execute(urls[name], BEFORE)
        return urls[name]

    yield url
    for name in urls:
        execute(servers(name).url, "DROP DATABASE effects WITH (FORCE)")


@pytest.fixture
def session(sandbox: Callable[[str], str], request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A session that is rolled back; `@pytest.mark.parametrize("session", MAJORS, indirect=True)` asks for both."""
    connection = psycopg2.connect(sandbox(request.param))
    yield connection
    connection.close()


def predicted(sql: str) -> dict[str, str]:
    """Mode by qualified name; an unqualified name is in `public`."""
    statements = read_statements(sql)
    assert statements is not None
    return {f"{schema or 'public'}.{name}": mode for one in statements for schema, name, mode in one.locks}


def held(cursor: Any, names: set[str]) -> dict[str, str]:  # noqa: ANN401 - psycopg2's cursor
    """The strongest lock on each relation that was there before: all tables and views, and what `names` has beside."""
    cursor.execute(
        "SELECT oids.name, l.mode FROM pg_locks l JOIN oids ON oids.oid = l.relation "
        "WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND (oids.kind IN ('r', 'p', 'v', 'm') OR "
        "oids.name = ANY(%s))",
        (list(names),),
    )
    strongest: dict[str, str] = {}
    for name, mode in cursor.fetchall():
        strongest[name] = max(strongest.get(name, mode), mode, key=strength)
    return strongest


def observed(session: Connection, sql: str) -> dict[str, str]:
    """What the statement really holds."""
    with session.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE oids ON COMMIT DROP AS SELECT c.oid, relkind AS kind, nspname || '.' || relname "
            "AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('public', 'shop')"
        )
        cursor.execute(sql)
        return held(cursor, set(predicted(sql)))


@pytest.mark.parametrize("session", MAJORS, indirect=True)
def test_the_predicted_locks_are_those_that_the_server_takes(session: Connection) -> None:
    wrong = {}
    for sql in IN_A_TRANSACTION:
        really = observed(session, sql)
        session.rollback()
        if really != predicted(sql):
            wrong[sql] = {"predicted": predicted(sql), "really": really}
    assert wrong == {}


@pytest.mark.parametrize("session", MAJORS, indirect=True)
def test_what_the_text_cannot_tell_is_only_this(session: Connection) -> None:
    for sql, beyond in BEYOND_THE_TEXT:
        really = observed(session, sql)
        session.rollback()
        assert {name: mode for name, mode in really.items() if name not in beyond} == predicted(sql), sql
        assert beyond <= set(really), sql


@pytest.mark.parametrize("major", MAJORS)
def test_statements_that_run_alone_ask_for_the_predicted_lock(sandbox: Callable[[str], str], major: str) -> None:
    url = sandbox(major)
    for sql in ALONE:
        (name, mode), *_ = predicted(sql).items()
        assert asked_for(url, sql, name) == mode, sql


def asked_for(url: str, sql: str, name: str) -> str:
    """The mode that a statement waits for while another session holds a lock that leaves only readers alone."""
    blocker, worker, watcher = (psycopg2.connect(url) for _ in range(3))
    worker.autocommit = watcher.autocommit = True
    blocker.cursor().execute(f"LOCK TABLE {table_of(watcher, name)} IN SHARE ROW EXCLUSIVE MODE")
    pid = worker.info.backend_pid

    def run() -> None:
        with pytest.raises(psycopg2.Error):
            worker.cursor().execute(sql)

    thread = threading.Thread(target=run)
    thread.start()
    try:

        def waiting() -> list[Any]:
            with watcher.cursor() as cursor:
                cursor.execute(
                    "SELECT mode FROM pg_locks WHERE pid = %s AND NOT granted AND relation IS NOT NULL", (pid,)
                )
                return cursor.fetchall()

        return str(until(waiting, what=f"{sql} waits")[0][0])
    finally:
        worker.cancel()
        thread.join()
        for connection in (blocker, worker, watcher):
            connection.close()


def table_of(watcher: Connection, name: str) -> str:
    """The relation itself, or the table of an index."""
    with watcher.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce((SELECT indrelid::regclass FROM pg_index WHERE indexrelid = %s::regclass), %s::regclass)",
            (name, name),
        )
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


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


def test_the_modes_are_in_the_order_of_the_manual() -> None:
    assert [strength(mode) for mode in MODES] == list(range(1, 9))
