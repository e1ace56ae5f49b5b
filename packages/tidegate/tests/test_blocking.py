"""Nobody is blocked: who is in the way is named and waited for, and a revision is repeated whole."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest
from projects import BIN, finish, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from projects import Project

TIDEGATE = str(BIN / "tidegate")
ADD_COLUMN = 'op.execute("ALTER TABLE account ADD COLUMN x int")'
HIDDEN = "op.execute(\"DO $$BEGIN EXECUTE 'ALTER TABLE account ADD COLUMN x int'; END$$\")"
"""The same where no text shows it."""


@contextlib.contextmanager
def holding(project: Project, statement: str = "SELECT count(*) FROM account", name: str = "report") -> Iterator[int]:
    """A transaction of an application that goes on holding its locks; gives its process id."""
    connection = psycopg2.connect(project.url, application_name=name)
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        yield connection.info.backend_pid
    finally:
        connection.close()


class Application:
    """Readers and writers of a table, and how long the slowest of their queries took."""

    def __init__(self, project: Project, *statements: str) -> None:
        self.slowest = 0.0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(project.url, text)) for text in statements]

    def _work(self, url: str, statement: str) -> None:
        connection = psycopg2.connect(url, application_name="application")
        connection.autocommit = True
        cursor = connection.cursor()
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                cursor.execute(statement)
            except psycopg2.Error as exc:
                self.failed.append(str(exc))
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.002)
        connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


READ = "SELECT id FROM account WHERE id = 1"
WRITE = "UPDATE account SET n = n + 1 WHERE id = 2"


@pytest.fixture
def accounts(project: Project) -> Project:
    project.query("CREATE TABLE account (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO account VALUES (1), (2)")
    project.query("CREATE TABLE payment (id int PRIMARY KEY)")
    return project


def columns(project: Project, table: str = "account") -> set[str]:
    rows = project.query("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", table)
    return {row[0] for row in rows}


@pytest.mark.alone
@pytest.mark.parametrize(
    ("server", "body"), [("embedded", ADD_COLUMN), ("debian", HIDDEN)], ids=["plain", "hidden"], indirect=["server"]
)
def test_a_long_reader_never_makes_the_application_wait_longer_than_the_lock_timeout(
    accounts: Project, body: str
) -> None:
    accounts.add("a", body)
    with Application(accounts, READ, WRITE) as application:
        with holding(accounts) as pid:
            process = accounts.start([TIDEGATE, "upgrade"])
            time.sleep(2.5)
            assert process.poll() is None
        result = finish(process)
    assert result.code == 0, result.err
    assert application.failed == []
    assert application.slowest < 0.1 + 0.2, "the lock timeout, and what a busy machine adds"
    assert f"pid {pid} (`report` of postgres, open for" in result.err
    assert "SELECT count(*) FROM account" in result.err
    assert "x" in columns(accounts)


def test_a_blocked_revision_is_not_even_tried_where_its_text_tells_what_it_locks(accounts: Project) -> None:
    accounts.add("a", ADD_COLUMN)
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade"])
        time.sleep(2)
    assert finish(process).code == 0
    assert accounts.query("SELECT attempts FROM tidegate.run") == [(1,)]


def test_a_revision_that_did_not_get_its_lock_is_repeated_whole(accounts: Project) -> None:
    accounts.add("a", f'op.execute("CREATE TABLE t_a (id int)"); {HIDDEN}')
    with holding(accounts) as pid:
        process = accounts.start([TIDEGATE, "upgrade"])
        time.sleep(1.8)
    result = finish(process)
    assert result.code == 0, result.err
    assert "a was rolled back: canceling statement due to lock timeout" in result.err
    assert f"pid {pid} (`report` of postgres" in result.err
    assert accounts.query("SELECT attempts > 1, outcome FROM tidegate.run") == [(True, "succeeded")]
    assert accounts.query("SELECT id FROM tidegate.revision") == [("a",)]


@pytest.mark.parametrize("body", [ADD_COLUMN, HIDDEN], ids=["plain", "hidden"])
def test_when_the_time_is_spent_it_says_who_is_in_the_way_and_how_to_end_it(accounts: Project, body: str) -> None:
    accounts.add("a", body)
    with holding(accounts) as pid:
        result = accounts.tidegate("upgrade", "--retry-for", "1s")
        assert result.code == 10
        assert "revision `a` did not get its locks in 1" in result.err
        assert f"in the way: pid {pid} (`report` of postgres, open for" in result.err
        assert accounts.at() == []
        command = re.search(r"`(SELECT pg_terminate_backend\(\d+\))`", result.err)
        assert command is not None
        accounts.query(command.group(1))
        assert accounts.tidegate("upgrade").code == 0
    assert accounts.outcomes() == ["failed", "succeeded"]


def test_the_number_of_attempts_is_bounded(accounts: Project) -> None:
    accounts.add("a", HIDDEN)
    with holding(accounts):
        result = accounts.tidegate("upgrade", "--retry-attempts", "1")
    assert result.code == 10
    assert "and 1 attempt and was rolled back" in result.err


WAYS = {
    "op.execute": 'op.execute("{sql}")',
    "a batch": "with op.batch_alter_table('account') as batch: batch.add_column(sa.Column('x', sa.Integer))",
    "a raw cursor": 'op.get_bind().connection.cursor().execute("{sql}")',
    "a connection of its own": "c = sa.create_engine(op.get_bind().engine.url).connect(); c.exec_driver_sql('{sql}')",
}


@pytest.mark.parametrize("way", [*WAYS])
def test_the_timeout_covers_whatever_way_a_statement_takes(accounts: Project, way: str) -> None:
    accounts.add("a", WAYS[way].format(sql="ALTER TABLE account ADD COLUMN x int"))
    with holding(accounts):
        began = time.monotonic()
        result = accounts.tidegate("upgrade", "--retry-for", "0.5s")
        assert time.monotonic() - began < 10
    assert result.code == 10
    assert "did not get its locks" in result.err
    assert "x" not in columns(accounts)


def test_a_second_lock_is_not_waited_for_while_the_first_is_held(accounts: Project) -> None:
    accounts.add(
        "a",
        'op.execute("ALTER TABLE account ADD COLUMN x int"); op.execute("ALTER TABLE payment ADD COLUMN x int")',
    )
    with Application(accounts, READ, WRITE) as application:
        with holding(accounts, "SELECT * FROM payment"):
            process = accounts.start([TIDEGATE, "upgrade"])
            time.sleep(3)
        result = finish(process)
    assert result.code == 0, result.err
    assert application.slowest < 1, "nobody waited for `account` while the run waited for `payment`"
    assert "a was rolled back: another transaction is in its way" in result.err
    assert columns(accounts) & columns(accounts, "payment") >= {"x"}


SHOW = "SELECT current_setting('lock_timeout')"


def test_every_way_has_the_timeout_that_the_operator_set(accounts: Project) -> None:
    accounts.query("CREATE TABLE seen (way text, value text)")
    accounts.add(
        "a",
        f"""op.execute("INSERT INTO seen SELECT 'op', current_setting('lock_timeout')")
    c = op.get_bind().connection.cursor(); c.execute("INSERT INTO seen SELECT 'raw', current_setting('lock_timeout')")
    e = sa.create_engine(op.get_bind().engine.url).connect()
    e.exec_driver_sql("INSERT INTO seen SELECT 'own', current_setting('lock_timeout')"); e.commit(); {SHOW!r}""",
    )
    assert accounts.tidegate("upgrade", "--lock-timeout", "250ms").code == 0
    assert accounts.query("SELECT DISTINCT value FROM seen") == [("250ms",)]
    assert accounts.query("SELECT count(*) FROM seen") == [(3,)]


WAITING = (
    "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND datname = current_database()"
)

UNTIMED = {
    "CREATE INDEX CONCURRENTLY": ("UPDATE account SET n = 1", "CREATE INDEX CONCURRENTLY i ON account (n)"),
    "DROP INDEX CONCURRENTLY": ("UPDATE account SET n = 1", "DROP INDEX CONCURRENTLY account_n"),
    "REINDEX CONCURRENTLY": ("UPDATE account SET n = 1", "REINDEX INDEX CONCURRENTLY account_n"),
    "VALIDATE CONSTRAINT": (
        "LOCK TABLE account IN SHARE UPDATE EXCLUSIVE MODE",
        "ALTER TABLE account VALIDATE CONSTRAINT positive",
    ),
    "DETACH PARTITION CONCURRENTLY": ("UPDATE part SET id = 1", "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY"),
}


@pytest.mark.parametrize(("kind", "raw"), [*((kind, False) for kind in UNTIMED), ("CREATE INDEX CONCURRENTLY", True)])
def test_what_blocks_nobody_has_no_timeout_and_what_follows_has_it_again(
    accounts: Project, kind: str, *, raw: bool
) -> None:
    hold, statement = UNTIMED[kind]
    accounts.query("CREATE INDEX account_n ON account (n); CREATE TABLE seen (value text)")
    accounts.query("ALTER TABLE account ADD CONSTRAINT positive CHECK (n >= 0) NOT VALID")
    accounts.query("CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    accounts.query("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9); INSERT INTO whole VALUES (1)")
    way = f'op.get_bind().connection.cursor().execute("{statement}")' if raw else f'op.execute("{statement}")'
    after = "op.execute(\"INSERT INTO seen SELECT current_setting('lock_timeout')\")"
    accounts.add("a", f"with op.get_context().autocommit_block():\n        {way}\n        {after}")
    with holding(accounts, hold):
        process = accounts.start([TIDEGATE, "upgrade"])
        until(lambda: accounts.query(WAITING))
        time.sleep(0.4)
        assert process.poll() is None
    result = finish(process)
    assert result.code == 0, result.err
    assert accounts.query("SELECT attempts FROM tidegate.run") == [(1,)]
    assert accounts.query("SELECT value FROM seen") == [("100ms",)]


def test_what_a_revision_says_of_the_timeout_itself_is_left_alone(accounts: Project) -> None:
    accounts.query("CREATE TABLE seen (value text)")
    see = "op.execute(\"INSERT INTO seen SELECT current_setting('lock_timeout')\")"
    accounts.add("a", f"op.execute(\"SET LOCAL lock_timeout = '3s'\"); {ADD_COLUMN}; {see}")
    accounts.add("b", see, down="a")
    assert accounts.tidegate("upgrade").code == 0
    assert accounts.query("SELECT value FROM seen") == [("3s",), ("100ms",)]


def test_what_is_committed_and_cannot_happen_twice_stops_the_run_with_its_name(accounts: Project) -> None:
    block = 'with op.get_context().autocommit_block():\n        op.execute("CREATE TABLE half (id int)")'
    accounts.add("a", f"{block}\n    {HIDDEN}")
    with holding(accounts):
        result = accounts.tidegate("upgrade")
    assert result.code == 10
    assert "failed after part of it was committed" in result.err
    assert "committed: CREATE TABLE half (id int)" in result.err
    assert accounts.query("SELECT attempts FROM tidegate.run") == [(1,)]


def test_what_is_committed_and_may_happen_twice_does_not_stop_the_run(accounts: Project) -> None:
    accounts.add(
        "a",
        "with op.get_context().autocommit_block():\n"
        f'        op.execute("CREATE TABLE IF NOT EXISTS half (id int)")\n    {HIDDEN}',
    )
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade"])
        time.sleep(1.8)
    result = finish(process)
    assert result.code == 0, result.err
    assert accounts.query("SELECT attempts > 1 FROM tidegate.run") == [(True,)]


def test_a_relative_target_is_not_overrun_by_a_second_attempt(accounts: Project) -> None:
    accounts.add_table("a")
    accounts.add("b", HIDDEN, down="a")
    accounts.add_table("c", down="b")
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade", "+2"])
        until(lambda: accounts.at() == ["a"])
        time.sleep(1.5)
    result = finish(process)
    assert result.code == 0, result.err
    assert accounts.at() == ["b"]


def test_a_deadlock_is_repeated_too(accounts: Project) -> None:
    accounts.add(
        "a",
        'op.execute("ALTER TABLE account ADD COLUMN x int"); op.execute("SELECT pg_sleep(0.3)"); '
        "op.execute(\"DO $$BEGIN EXECUTE 'ALTER TABLE payment ADD COLUMN x int'; END$$\")",
    )
    other = psycopg2.connect(accounts.url, application_name="other")
    cursor = other.cursor()
    process = accounts.start([TIDEGATE, "upgrade", "--lock-timeout", "8s"])
    until(accounts.sleepers)
    cursor.execute("LOCK TABLE payment")
    until(lambda: accounts.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'payment'::regclass"))
    cursor.execute("SELECT * FROM account")
    other.commit()
    other.close()
    result = finish(process)
    assert result.code == 0, result.err
    assert "deadlock detected" in result.err
    assert accounts.query("SELECT attempts FROM tidegate.run") == [(2,)]


@pytest.mark.parametrize("body", [ADD_COLUMN, HIDDEN], ids=["before", "between"])
def test_a_signal_ends_the_waiting_and_is_recorded(accounts: Project, body: str) -> None:
    accounts.add("a", body)
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade"])
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        result = finish(process, timeout=6)
    assert result.code == 143
    assert accounts.outcomes() == ["interrupted"]
    assert accounts.at() == []


def test_partitions_and_children_count_as_their_parent(accounts: Project) -> None:
    accounts.query("CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    accounts.query("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
    accounts.add("a", 'op.execute("ALTER TABLE whole ADD COLUMN x int")')
    with holding(accounts, "SELECT * FROM part") as pid:
        result = accounts.tidegate("upgrade", "--retry-for", "0.5s")
    assert result.code == 10
    assert f"pid {pid} " in result.err
    assert "on part" in result.err


def test_a_role_that_may_not_see_how_long_others_have_been_at_it_still_names_and_awaits_them(accounts: Project) -> None:
    name = accounts.query("SELECT current_database()")[0][0]
    accounts.query(f"CREATE ROLE migrator_{name} LOGIN; GRANT CREATE ON DATABASE {name} TO migrator_{name}")
    accounts.query(f"GRANT ALL ON SCHEMA public TO migrator_{name}; ALTER TABLE account OWNER TO migrator_{name}")
    accounts.add("a", ADD_COLUMN)
    with holding(accounts) as pid:
        url = accounts.url.replace("postgres@", f"migrator_{name}@")
        result = accounts.tidegate("upgrade", "--retry-for", "1s", DATABASE_URL=url)
    assert result.code == 10
    assert f"in the way: pid {pid} (`report` of postgres" in result.err
    assert "was rolled back: canceling" not in result.err, "it was not even tried"
    assert accounts.tidegate("upgrade", DATABASE_URL=url).code == 0
    accounts.query(f"REASSIGN OWNED BY migrator_{name} TO postgres; DROP OWNED BY migrator_{name}")
    accounts.query(f"DROP ROLE migrator_{name}")
