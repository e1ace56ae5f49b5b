"""What a revision may do that makes a run wait, repeat, or end wrongly: each was found by reading, and seen red."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from application import ADD_COLUMN, HIDDEN, READ, Application, columns, holding
from projects import BIN, finish, until

if TYPE_CHECKING:
    import subprocess

    from projects import Project

pytestmark = pytest.mark.deep

TIDEGATE = str(BIN / "tidegate")


def hear(process: subprocess.Popen[str], *words: str) -> None:
    """Read what it tells until one of these words comes, or its end."""
    assert process.stderr is not None
    for line in process.stderr:
        if any(word in line for word in words):
            return


HELD_MEANWHILE = {
    "a view": ("CREATE OR REPLACE VIEW v AS SELECT id, n FROM payment2", "SELECT * FROM v"),
    "a sequence": ("ALTER SEQUENCE s INCREMENT BY 2", "SELECT nextval('s')"),
    "rows": ("UPDATE payment2 SET n = n + 1", "UPDATE payment2 SET n = n + 1 WHERE id = 1"),
}


@pytest.mark.alone
@pytest.mark.parametrize("what", [*HELD_MEANWHILE])
def test_nobody_waits_for_what_a_revision_holds_while_it_waits_for_others(accounts: Project, what: str) -> None:
    first, query = HELD_MEANWHILE[what]
    accounts.query("CREATE TABLE payment2 (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO payment2 VALUES (1)")
    accounts.query("CREATE VIEW v AS SELECT id, n FROM payment2; CREATE SEQUENCE s")
    accounts.add("a", f'op.execute("{first}"); {ADD_COLUMN}')
    with Application(accounts, query) as application:
        with holding(accounts):
            process = accounts.start([TIDEGATE, "upgrade"])
            hear(process, "waiting", "rolled back")
            application.goes_on()
        result = finish(process)
    assert result.code == 0, result.err
    assert application.failed == []


def test_two_threads_of_a_revision_may_ask_at_once(accounts: Project) -> None:
    accounts.add(
        "a",
        "import threading\n"
        "    e = sa.create_engine(op.get_bind().engine.url, poolclass=sa.pool.NullPool)\n"
        "    def work(n):\n"
        "        with e.begin() as c:\n"
        "            for k in range(5): c.exec_driver_sql(f'CREATE TABLE own_{n}_{k} (id int)')\n"
        "    ts = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
        "    [t.start() for t in ts]; [t.join() for t in ts]",
    )
    result = accounts.tidegate("upgrade", timeout=20)
    assert result.code == 0, result.err


SET = "SET lock_timeout = '30s'"


@pytest.mark.alone
def test_a_timeout_that_env_py_sets_does_not_make_the_application_wait(accounts: Project) -> None:
    accounts.write_env(before=f'connection.execute(text("{SET}"))')
    accounts.add("a", HIDDEN)
    with Application(accounts, READ) as application:
        with holding(accounts):
            process = accounts.start([TIDEGATE, "upgrade"])
            hear(process, "waiting", "rolled back")
            application.goes_on()
        result = finish(process)
    assert result.code == 0, result.err
    assert application.failed == []


@pytest.mark.parametrize("why", ["--lock-timeout 0", "the author's own"])
def test_an_index_build_is_supervised_whatever_is_said_of_the_lock_timeout(accounts: Project, why: str) -> None:
    accounts.query("INSERT INTO account SELECT n, 1 FROM generate_series(10, 20) n")
    with pytest.raises(Exception, match="could not create unique index"):
        accounts.query("CREATE UNIQUE INDEX CONCURRENTLY i ON account (n)")
    accounts.query("DELETE FROM account WHERE id > 2; UPDATE account SET n = id")
    own = f'op.execute("{SET}")' if why != "--lock-timeout 0" else "pass"
    build = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON account (n)"
    accounts.add("a", f"with op.get_context().autocommit_block():\n        {own}\n        op.execute('{build}')")
    result = accounts.tidegate("upgrade", *(["--lock-timeout", "0"] if why == "--lock-timeout 0" else []))
    assert result.code == 0, result.err
    assert accounts.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == [(True,)]


def test_the_budget_counts_waiting_and_not_work(accounts: Project) -> None:
    accounts.query("CREATE TABLE other (id int)")
    accounts.add("a", ADD_COLUMN)
    accounts.add("b", 'op.execute("SELECT pg_sleep(3)")', down="a")
    accounts.add("c", 'op.execute("ALTER TABLE other ADD COLUMN x int")', down="b")
    with holding(accounts, "SELECT * FROM other"):
        with holding(accounts):
            process = accounts.start([TIDEGATE, "upgrade", "--retry-for", "2s"])
            time.sleep(1.6)
        until(lambda: accounts.at() == ["b"])
        time.sleep(0.7)
    result = finish(process)
    assert result.code == 0, result.err


def test_who_holds_a_row_in_the_way_is_named(accounts: Project) -> None:
    accounts.add("a", 'op.execute("UPDATE account SET n = 5")')
    with holding(accounts, "UPDATE account SET n = 1 WHERE id = 1") as pid:
        result = accounts.tidegate("upgrade", "--retry-for", "1s")
    assert result.code == 10
    assert f"in the way: pid {pid}" in result.err, result.err


def test_another_session_of_the_same_revision_in_the_way_is_not_waited_for(accounts: Project) -> None:
    accounts.add(
        "a",
        "c = sa.create_engine(op.get_bind().engine.url).connect(); "
        f"c.exec_driver_sql('SELECT * FROM account'); op.execute('SELECT pg_sleep(0.3)'); {ADD_COLUMN}",
    )
    began = time.monotonic()
    result = accounts.tidegate("upgrade", "--retry-for", "8s")
    assert result.code == 10
    assert "of the same migration" in result.err, result.err
    assert time.monotonic() - began < 6


SEE = "op.execute(\"INSERT INTO seen SELECT current_setting('lock_timeout')\")"


def test_a_lock_timeout_that_a_revision_swallows_does_not_count_as_done(accounts: Project) -> None:
    accounts.add(
        "a",
        "try:\n        with op.get_bind().begin_nested():\n"
        f"            {HIDDEN}\n    except Exception: print('exists already')",
    )
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade"])
        hear(process, "rolled back")
    result = finish(process)
    assert result.code == 0, result.err
    assert "x" in columns(accounts), "the revision is on record without what it was to do"


def test_a_lock_timeout_behind_which_a_revision_goes_on_in_its_failed_transaction_is_repeated(
    accounts: Project,
) -> None:
    accounts.add("a", f"try:\n        {HIDDEN}\n    except Exception: pass\n    op.execute('SELECT 1')")
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade"])
        hear(process, "rolled back")
    result = finish(process)
    assert result.code == 0, result.err
    assert "x" in columns(accounts)


def test_a_session_that_a_revision_opened_and_closed_is_not_missed(accounts: Project) -> None:
    accounts.add(
        "a",
        "e = sa.create_engine(op.get_bind().engine.url, poolclass=sa.pool.NullPool)\n"
        "    with e.begin() as c: c.exec_driver_sql('CREATE TABLE own (id int)')\n"
        '    op.execute("SELECT pg_sleep(7)")',
    )
    result = accounts.tidegate("upgrade")
    assert result.code == 0, result.err


COMMITS = {
    "op.execute": 'op.execute("COMMIT")',
    "the driver's commit": "op.get_bind().connection.commit()",
    "compound": 'op.execute("SELECT 1; COMMIT")',
}


@pytest.mark.parametrize("way", [*COMMITS])
def test_what_a_revision_committed_itself_does_not_happen_twice(accounts: Project, way: str) -> None:
    accounts.query("CREATE TABLE log (n int)")
    accounts.add("a", f'op.execute("INSERT INTO log VALUES (1)"); {COMMITS[way]}; {HIDDEN}')
    with holding(accounts):
        process = accounts.start([TIDEGATE, "upgrade"])
        hear(process, "rolled back", "committed")
    finish(process)
    assert accounts.query("SELECT count(*) FROM log") == [(1,)]


def test_a_timeout_that_one_revision_sets_does_not_reach_the_next(accounts: Project) -> None:
    accounts.query("CREATE TABLE seen (value text)")
    accounts.add("a", f'op.execute("{SET}")')
    accounts.add("b", f"{SEE}; {ADD_COLUMN}", down="a")
    with holding(accounts, "LOCK TABLE payment"):
        assert accounts.tidegate("upgrade").code == 0
    assert accounts.query("SELECT value FROM seen") == [("100ms",)]


def test_what_fails_at_the_commit_is_the_revisions_failure(accounts: Project) -> None:
    accounts.query("CREATE TABLE child (id int REFERENCES account DEFERRABLE INITIALLY DEFERRED)")
    accounts.add("a", 'op.execute("INSERT INTO child VALUES (99)")')
    result = accounts.tidegate("upgrade")
    assert result.code == 10
    assert "revision `a`" in result.err, result.err
    assert "mend `env.py`" not in result.err
    assert accounts.at() == []
