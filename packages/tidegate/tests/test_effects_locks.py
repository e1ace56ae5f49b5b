"""Predicted locks against `pg_locks`: every example is executed, and what it holds is what was foretold."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from conftest import MAJORS, execute
from projects import until

from tidegate.sql.effects import read_statements
from tidegate.sql.found import MODES, strength

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812 - a class that psycopg2 names in lower case
    from tools.postgres import Cluster

pytestmark = pytest.mark.deep

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


def test_the_modes_are_in_the_order_of_the_manual() -> None:
    assert [strength(mode) for mode in MODES] == list(range(1, 9))
