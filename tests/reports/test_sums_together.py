"""Nobody who writes waits for the sums, no two at once make them wrong, and filling them blocks nobody."""

from __future__ import annotations

import threading
import time
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg2
from tests.conftest import execute
from tests.migrations import migrate
from tests.reports import recount
from tests.reports.test_sums import BEN, FILL, HOME, ME, START

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class that psycopg2 names in lower case
    from tools.postgres import Cluster

IMPATIENT = "SET lock_timeout = '100ms'"
BEFORE = "20261128_2130"
"""The revision before there were sums."""


def add(day: int = 22, minor: int = 6) -> tuple[str, str]:
    """An expense of Anna's that she shares with Ben, and its id."""
    new = str(uuid4())
    return new, (
        "INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, payer_id,"
        f" version, created_by, created_at, updated_at, split_mode) VALUES ('{HOME}', '{new}', '2026-11-{day:02}',"
        f" {minor}, 'EUR', 'Shop', '', '{{}}', '{ME}', 1, '{ME}', now(), now(), 'exact'); INSERT INTO expense_share"
        f" VALUES ('{HOME}', '{new}', '{ME}', {minor - 4}), ('{HOME}', '{new}', '{BEN}', 4)"
    )


def test_two_who_write_on_the_same_days_in_any_order_do_not_wait_for_each_other(database: str) -> None:
    execute(database, f"{START}; {add(1)[1]}; {add(2)[1]}")
    with psycopg2.connect(database) as one, psycopg2.connect(database) as other:
        for connection, days in ((one, (1, 2, 3)), (other, (3, 2, 1))):
            connection.cursor().execute(IMPATIENT)
            for day in days:
                connection.cursor().execute(add(day)[1])
        one.commit()
        other.cursor().execute(add(1)[1])
    assert recount.are(database) == recount.must_be(database)


def test_what_a_session_has_learnt_of_small_tables_makes_it_scan_no_large_ones(database: str) -> None:
    execute(database, f"{START}; {'; '.join(add(day)[1] for day in range(1, 14))}; ANALYZE")
    scans = (
        "SELECT sum(seq_scan) AS n FROM pg_stat_user_tables WHERE relname IN ('day_sum', 'category_sum', 'balance_sum')"
    )
    before = recount.rows(database, scans)
    for _ in range(8):  # the sixth plan of a statement is kept
        execute(database, f"BEGIN; {'; '.join(add(day)[1] for day in range(1, 9))}; COMMIT")
    assert recount.rows(database, scans) == before


def _at_once(database: str, number: int, work: Callable[[Cursor, Random], None]) -> list[Exception]:
    """What went wrong when so many did this, each on a connection of their own."""
    faults: list[Exception] = []

    def run(seed: int) -> None:
        connection = psycopg2.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(IMPATIENT)
                work(cursor, Random(seed))  # noqa: S311 - examples, not secrets
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails the test
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def _write(cursor: Cursor, random: Random) -> None:
    """Transactions of several changes to expenses that nobody else writes, on days that everybody has."""
    mine: list[str] = []
    for _ in range(25):
        for _ in range(random.randint(1, 4)):
            new, statement = add(random.randint(1, 3), random.randint(4, 99))
            chosen = random.choice([*mine, new])
            changes = [
                f"UPDATE expense SET deleted_at = now() WHERE id = '{chosen}'",
                f"UPDATE expense SET deleted_at = NULL, spent_on = '2026-11-03' WHERE id = '{chosen}'",
                f"UPDATE expense SET currency = 'USD' WHERE id = '{chosen}'",
            ]
            cursor.execute(f"{statement}; {random.choice(changes)}")
            mine.append(new)
        cursor.execute(random.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
        mine = mine[-3:]


def test_many_who_write_at_once_neither_wait_nor_lose_anything(database: str) -> None:
    execute(database, START)
    assert _at_once(database, 6, _write) == []
    assert recount.are(database) == recount.must_be(database)
    rows = len(recount.rows(database, "SELECT FROM day_sum"))
    assert rows <= 6 * len(recount.rows(database, "SELECT DISTINCT spent_on, currency FROM day_sum"))


def test_a_share_of_an_expense_that_another_puts_into_the_trash_counts_with_it(database: str) -> None:
    new, statement = add()
    execute(database, f"{START}; {statement}")
    trash = f"UPDATE expense SET deleted_at = now() WHERE id = '{new}'"
    change = f"UPDATE expense_share SET amount_minor = amount_minor + CASE user_id WHEN '{ME}' THEN 1 ELSE -1 END"
    for first, second in ((trash, change), (change, trash)):
        execute(database, "UPDATE expense SET deleted_at = NULL")
        connection = psycopg2.connect(database)
        connection.cursor().execute(first)
        waiting = threading.Thread(target=execute, args=(database, second))
        waiting.start()
        time.sleep(0.1)
        assert waiting.is_alive()
        connection.commit()
        waiting.join()
        connection.close()
        assert recount.are(database) == recount.must_be(database), first


def test_what_was_written_before_and_while_the_sums_are_made_is_counted_once_and_waits_for_nobody(
    cluster: Cluster,
) -> None:
    name = "before_sums"
    execute(cluster.url, f"CREATE DATABASE {name}")
    database = cluster.database_url(name)
    migrate(database, BEFORE)
    execute(database, START + 20 * FILL)
    done = threading.Event()
    longest = []

    def write(cursor: Cursor, random: Random) -> None:
        taken = 0.0
        while not done.is_set():
            _, statement = add(random.randint(1, 28))
            chosen = "(SELECT id FROM expense WHERE id > gen_random_uuid() LIMIT 1)"
            began = time.monotonic()
            cursor.execute(f"{statement}; UPDATE expense SET deleted_at = now() WHERE id = {chosen}; COMMIT")
            taken = max(taken, time.monotonic() - began)
        longest.append(taken)

    faults: list[Exception] = []
    writers = threading.Thread(target=lambda: faults.extend(_at_once(database, 1, write)))
    writers.start()
    try:
        migrate(database, "head")
    finally:
        done.set()
        writers.join()
    assert faults == []  # such as having waited for longer than `IMPATIENT`
    assert len(recount.must_be(database)) > 50
    assert recount.are(database) == recount.must_be(database)
    migrate(database, "head")
    execute(cluster.url, f"DROP DATABASE {name} WITH (FORCE)")


def test_one_statement_may_write_very_many_shares(database: str) -> None:
    """Whatever plan the session has kept from small ones: with a join it looked at all shares for each expense."""
    many, both = 10_000, f"(VALUES ('{ME}'::uuid), ('{BEN}')) AS of (person)"
    with psycopg2.connect(database) as connection:
        cursor = connection.cursor()
        cursor.execute(f"{START}; SET statement_timeout = '15s'")
        for day in range(1, 8):
            cursor.execute(add(day)[1])
        cursor.execute(
            "INSERT INTO expense (workspace_id, id, spent_on, amount_minor, currency, merchant, note, tags, payer_id,"
            f" version, created_by, created_at, updated_at, split_mode) SELECT '{HOME}', gen_random_uuid(),"
            f" '2026-10-01', 6, 'EUR', 'Shop', '', '{{}}', '{ME}', 1, '{ME}', now(), now(), 'exact'"
            f" FROM generate_series(1, {many})"
        )
        cursor.execute(
            "INSERT INTO expense_share (workspace_id, expense_id, user_id, amount_minor)"
            f" SELECT workspace_id, id, person, 3 FROM expense, {both} WHERE spent_on = '2026-10-01'"
        )
        cursor.execute("SELECT sum(minor) FROM balance_sum WHERE user_id = %s", [BEN])
        assert cursor.fetchone() == (-3 * many - 4 * 7,)
        connection.rollback()
