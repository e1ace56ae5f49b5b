"""Rewrites and scans that are foretold against those that happen: the table's file, and the rows that were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import MAJORS

from tidegate.sql.effects import read_statements

if TYPE_CHECKING:
    from projects import Project
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class that psycopg2 names in lower case

pytestmark = pytest.mark.deep

BEFORE = """
CREATE TABLE p (id int PRIMARY KEY);
INSERT INTO p SELECT generate_series(1, 100);
CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, m int, u int, name varchar(20));
INSERT INTO t SELECT g, g, 1, g, 'x' FROM generate_series(1, 100) g;
CREATE UNIQUE INDEX u_key ON t (u);
ALTER TABLE t ADD CONSTRAINT m_set CHECK (m IS NOT NULL) NOT VALID;
CREATE TABLE parts (id int) PARTITION BY LIST (id);
CREATE FUNCTION own() RETURNS int VOLATILE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
"""

REWRITES = [
    "ALTER TABLE t ADD x uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE t ADD x timestamptz DEFAULT clock_timestamp()",
    "ALTER TABLE t ADD x float DEFAULT random() NOT NULL",
    "ALTER TABLE t ADD x int DEFAULT own()",
    "ALTER TABLE t ADD x serial",
    "ALTER TABLE t ADD x int GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE t ADD x int GENERATED ALWAYS AS (n + 1) STORED",
    "ALTER TABLE t ALTER n TYPE bigint",
    "ALTER TABLE t SET UNLOGGED",
    "CLUSTER t USING t_pkey",
]

SCANS = [
    "ALTER TABLE t ADD CHECK (n > 0)",
    "ALTER TABLE t ADD x int CHECK (x IS NULL OR x > 0)",
    "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES p",
    "ALTER TABLE t ADD x int DEFAULT 1 REFERENCES p",
    "ALTER TABLE t ALTER m SET NOT NULL",
    "ALTER TABLE t ADD UNIQUE (n)",
    "ALTER TABLE t ADD EXCLUDE (n WITH =)",
    "ALTER TABLE t VALIDATE CONSTRAINT m_set",
    "CREATE INDEX ON t (n)",
    "ALTER TABLE parts ATTACH PARTITION only_id FOR VALUES IN (1)",
]

NEITHER = [
    "ALTER TABLE t ADD x int",
    "ALTER TABLE t ADD x int DEFAULT 7 NOT NULL",
    "ALTER TABLE t ADD x timestamptz DEFAULT now() NOT NULL",
    "ALTER TABLE t ADD x timestamptz DEFAULT CURRENT_TIMESTAMP",
    "ALTER TABLE t ADD x int REFERENCES p",
    "ALTER TABLE t ADD CHECK (n > 0) NOT VALID",
    "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES p NOT VALID",
    "ALTER TABLE t ADD CONSTRAINT u_only UNIQUE USING INDEX u_key",
    "ALTER TABLE t ALTER m SET DEFAULT 2",
    "ALTER TABLE t ALTER n DROP NOT NULL",
    "ALTER TABLE t DROP COLUMN m",
    "ALTER TABLE t RENAME TO t2",
    "ALTER TABLE t SET (fillfactor = 70)",
    "COMMENT ON TABLE t IS 'x'",
]


def foretold(sql: str) -> str:
    """`rewrites`, `scans` or neither, as the effects say."""
    (one,) = read_statements(sql) or ()
    text = " ".join(one.effects)
    return "rewrites" if "rewrite" in text else "scans" if "scans" in text else "neither"


def seen(cursor: Cursor, sql: str) -> str:
    """What it did to the table: another file, or rows read from it."""
    read = (
        "SELECT pg_relation_filenode(c.oid), pg_stat_get_xact_tuples_returned(c.oid) FROM pg_class c WHERE c.oid = %s"
    )
    cursor.execute("SELECT to_regclass('only_id')::oid, 't'::regclass::oid")
    row = cursor.fetchone()
    assert row is not None
    oid = row[0] if "only_id" in sql else row[1]
    cursor.execute(read, (oid,))
    before = cursor.fetchone()
    cursor.execute(sql)
    cursor.execute(read, (oid,))
    after = cursor.fetchone()
    assert before is not None
    assert after is not None
    return "rewrites" if before[0] != after[0] else "scans" if after[1] > before[1] else "neither"


@pytest.mark.parametrize("server", MAJORS, indirect=True)
def test_what_is_foretold_of_rewrites_and_scans_is_what_happens(project: Project) -> None:
    project.query(BEFORE + "CREATE TABLE only_id AS SELECT 1 AS id")
    wrong = {}
    connection = psycopg2.connect(project.url)
    for expected, examples in (("rewrites", REWRITES), ("scans", SCANS), ("neither", NEITHER)):
        for sql in examples:
            with connection.cursor() as cursor:
                really = seen(cursor, sql)
            connection.rollback()
            if not foretold(sql) == really == expected:
                wrong[sql] = {"expected": expected, "foretold": foretold(sql), "really": really}
    connection.close()
    assert wrong == {}
