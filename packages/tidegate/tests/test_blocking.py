"""Nobody is blocked: who is in the way is named and waited for, and what blocks somebody asks for its lock briefly."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from application import ADD_COLUMN, HIDDEN, READ, WAITING, WRITE, Application, columns, heard, holding
from projects import BIN, finish, until

if TYPE_CHECKING:
    from projects import Project

TIDEGATE = str(BIN / "tidegate")


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
            said = heard(process, f"pid {pid} (`report` of postgres, open for")
            application.goes_on()
            assert process.poll() is None
        result = finish(process)
    assert result.code == 0, result.err
    assert application.failed == [], "each waited for a lock at most as long as the timeout, and what the server adds"
    assert "SELECT count(*) FROM account" in said
    assert "x" in columns(accounts)


def test_a_blocked_revision_is_not_even_tried_where_its_text_tells_what_it_locks(accounts: Project) -> None:
    accounts.add("a", ADD_COLUMN)
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade"])
        heard(process, "in the way:")
        time.sleep(0.5)  # several lock timeouts
    assert finish(process).code == 0
    assert accounts.query("SELECT attempts FROM tidegate.run") == [(1,)]


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


@pytest.mark.deep
def test_a_second_lock_is_not_waited_for_while_the_first_is_held(accounts: Project) -> None:
    accounts.add(
        "a",
        'op.execute("ALTER TABLE account ADD COLUMN x int"); op.execute("ALTER TABLE payment ADD COLUMN x int")',
    )
    with Application(accounts, READ, WRITE) as application:
        with holding(accounts, "SELECT * FROM payment"):
            process = accounts.start([TIDEGATE, "upgrade"])
            heard(process, "a was rolled back: another transaction is in its way")
            application.goes_on()
        result = finish(process)
    assert result.code == 0, result.err
    assert application.failed == [], "nobody waited for `account` while the run waited for `payment`"
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


@pytest.mark.deep
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


@pytest.mark.deep
def test_partitions_and_children_count_as_their_parent(accounts: Project) -> None:
    accounts.query("CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    accounts.query("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
    accounts.add("a", 'op.execute("ALTER TABLE whole ADD COLUMN x int")')
    with holding(accounts, "SELECT * FROM part") as pid:
        result = accounts.tidegate("upgrade", "--retry-for", "0.5s")
    assert result.code == 10
    assert f"pid {pid} " in result.err
    assert "on part" in result.err


@pytest.mark.deep
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


@pytest.mark.deep
def test_rows_that_are_locked_are_let_go_before_anybody_is_waited_for(accounts: Project) -> None:
    accounts.add(
        "a", 'op.execute("UPDATE account SET n = 7 WHERE id = 2"); op.execute("ALTER TABLE payment ADD COLUMN x int")'
    )
    with Application(accounts, WRITE) as application:
        with holding(accounts, "SELECT * FROM payment"):
            process = accounts.start([TIDEGATE, "upgrade"])
            heard(process, "a was rolled back: another transaction is in its way")
            application.goes_on()
        result = finish(process)
    assert result.code == 0, result.err
    assert application.failed == [], "nobody waited for the row while the run waited for `payment`"


def test_a_revision_that_waits_for_another_connection_of_its_own_is_stopped_at_once(accounts: Project) -> None:
    accounts.add(
        "a",
        "c = sa.create_engine(op.get_bind().engine.url).connect(); c.exec_driver_sql('SELECT * FROM account')\n    "
        + ADD_COLUMN,
    )
    result = accounts.tidegate("upgrade", timeout=10)
    assert result.code == 10
    assert "waits for another connection of the same migration" in result.err
    assert "commit or close that connection" in result.err


@pytest.mark.deep
def test_many_small_statements_are_not_slowed_down_by_being_watched(accounts: Project) -> None:
    accounts.add("a", "for i in range(5000): op.execute(f'INSERT INTO payment VALUES ({i})')")
    assert accounts.tidegate("upgrade", timeout=40).code == 0
    assert accounts.query("SELECT count(*) FROM payment") == [(5000,)]
