"""`expenses` on the command line: real processes, real terminals, documented exit codes."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest
from tests.accounts.factor import set_up
from tests.people import PASSWORD
from tools.postgres import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.people import Clock, Person
    from tools.postgres import Cluster


def expenses(*arguments: str, url: str | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DATABASE_", "POSTGRES_"))}
    if url:
        environment["DATABASE_URL"] = url
    command = [sys.executable, "-c", "from expenses.cli import main; main()", *arguments]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)


def emails(url: str) -> list[str]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM user_account JOIN membership ON user_id = id AND role = 'owner'")
        found = [row[0] for row in cursor.fetchall()]
    connection.close()
    return found


@pytest.mark.anyio
async def test_an_account_made_by_the_operator_can_sign_in(database: str, client: httpx.AsyncClient) -> None:
    done = expenses("create-user", "Op@Example.org", "--password-stdin", url=database, stdin=PASSWORD + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Created the account op@example.org with the workspace Home.\n"
    form = {"username": "op@example.org", "password": PASSWORD}
    assert (await client.post("/api/v1/auth/token", data=form)).status_code == 200


def test_the_password_may_come_from_a_file(database: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    done = expenses("create-user", "f@example.org", "--password-file", str(tmp_path / "secret"), url=database)
    assert done.returncode == 0, done.stderr
    assert emails(database) == ["f@example.org"]


def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(database: str) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", "from expenses.cli import main; main()", "create-user", "tty@example.org"]
    environment = os.environ | {"DATABASE_URL": database}
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True
    )
    os.close(follower)
    screen = ""
    for prompt in ("Password:", "Repeat for confirmation:"):
        screen += _read_until(leader, prompt)
        os.write(leader, PASSWORD.encode() + b"\n")
    screen += _read_until(leader, "Created")
    assert process.wait(timeout=20) == 0
    os.close(leader)
    assert PASSWORD not in screen


def _read_until(terminal: int, text: str) -> str:
    seen, deadline = "", time.monotonic() + 20
    while text not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096).decode()
    assert text in seen
    return seen


def test_without_terminal_and_without_option_it_says_how_to_pass_the_password(database: str) -> None:
    done = expenses("create-user", "a@example.org", url=database)
    assert done.returncode == 64
    assert done.stderr.startswith("error: there is no password and no terminal to ask for one\n\nhint: ")


@pytest.mark.parametrize(
    ("email", "password", "what"),
    [
        ("not an address", PASSWORD, "error: this is not an e-mail address\n"),
        ("a@example.org", "short", "error: the password must have at least 10 characters\n"),
    ],
)
def test_bad_input_is_named_and_nothing_is_made(database: str, email: str, password: str, what: str) -> None:
    done = expenses("create-user", email, "--password-stdin", url=database, stdin=password)
    assert done.returncode == 1
    assert done.stderr.startswith(what)
    assert emails(database) == []


def test_a_taken_address_is_refused(database: str) -> None:
    again = ("create-user", "twice@example.org", "--password-stdin")
    assert expenses(*again, url=database, stdin=PASSWORD).returncode == 0
    done = expenses(*again, url=database, stdin=PASSWORD)
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is already an account with this e-mail address\n\nhint: ")
    assert emails(database) == ["twice@example.org"]


def test_a_database_that_cannot_be_reached_exits_12_without_printing_its_password() -> None:
    url = f"postgresql://someone:hunter2hunter2@127.0.0.1:{free_port()}/expenses"
    done = expenses("create-user", "a@example.org", "--password-stdin", url=url, stdin=PASSWORD)
    assert done.returncode == 12
    assert done.stderr.startswith("error: the database cannot be reached\n\nhint: ")
    assert "hunter2" not in done.stdout + done.stderr


def test_a_database_that_does_not_exist_exits_13(cluster: Cluster) -> None:
    url = cluster.database_url("nowhere")
    done = expenses("create-user", "a@example.org", "--password-stdin", url=url, stdin=PASSWORD)
    assert done.returncode == 13
    assert done.stderr.startswith("error: the database turned us away (SQLSTATE 3D000)\n\nhint: ")


def test_a_database_without_tables_names_the_command_that_makes_them(cluster: Cluster) -> None:
    done = expenses("create-user", "a@example.org", "--password-stdin", url=cluster.url, stdin=PASSWORD)
    assert done.returncode == 1
    assert "hint: run `alembic upgrade head` first" in done.stderr


def test_without_settings_it_exits_64_and_names_the_variables() -> None:
    done = expenses("create-user", "a@example.org", "--password-stdin", stdin=PASSWORD)
    assert done.returncode == 64
    assert "`DATABASE_URL`" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_exits_64_with_a_hint() -> None:
    done = expenses("create-user", "a@example.org", "--password", PASSWORD)
    assert done.returncode == 64
    assert done.stderr.startswith("error: ")
    assert "hint: see `expenses create-user --help`" in done.stderr
    assert PASSWORD not in done.stderr


def test_help_answers_without_loading_the_service() -> None:
    for arguments in ((), ("--help",), ("create-user", "--help")):
        done = expenses(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: expenses" in done.stdout
    code = "import sys, expenses.cli; sys.exit(any(m in sys.modules for m in ('sqlalchemy', 'pydantic', 'fastapi')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.anyio
async def test_the_sample_is_loaded_once_into_an_account_that_can_sign_in(
    database: str, client: httpx.AsyncClient
) -> None:
    first, second = (expenses("load-sample", url=database) for _ in range(2))
    assert (first.returncode, first.stderr) == (second.returncode, second.stderr) == (0, "")
    assert first.stdout.startswith("Recorded ")
    assert second.stdout.startswith("The sample expenses are there already; sign in as ")
    _, _, rest = second.stdout.strip().partition("; sign in as ")
    email, _, password = rest.partition(" with the password ")
    form = {"username": email, "password": password}
    assert (await client.post("/api/v1/auth/token", data=form)).status_code == 200


@pytest.mark.anyio
async def test_an_operator_lets_somebody_in_who_has_lost_password_and_phone(
    database: str, client: httpx.AsyncClient, anna: Person, clock: Clock
) -> None:
    phone = await set_up(client, anna, clock)
    done = expenses(
        "reset-password", "Anna@example.org", "--password-stdin", "--yes", url=database, stdin="a new one, long\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "anna@example.org has the new password; all sessions and API tokens of theirs have ended.\n"
    assert (await client.get("/api/v1/me", headers=anna.headers)).status_code == 401
    form = {"username": "anna@example.org", "password": "a new one, long"}
    assert (await client.post("/api/v1/auth/token", data=form)).json()["code"] == "second_factor_required"
    done = expenses("reset-second-factor", "anna@example.org", "--yes", url=database)
    assert (done.returncode, done.stdout) == (0, "The second factor of anna@example.org is off.\n")
    token = (await client.post("/api/v1/auth/token", data=form)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    listed = (await client.get("/api/v1/me/events", headers=headers)).json()["items"]
    assert {"password_reset", "second_factor_reset"} <= {event["kind"] for event in listed}
    assert phone.recovery_codes
    again = expenses("reset-second-factor", "anna@example.org", "--yes", url=database)
    assert again.stdout == "anna@example.org has no second factor; nothing to do.\n"


@pytest.mark.parametrize("command", [("reset-second-factor",), ("reset-password", "--password-stdin")])
def test_a_reset_asks_first_and_names_who_is_not_there(database: str, command: tuple[str, ...]) -> None:
    unasked = expenses(*command, "nobody@example.org", url=database, stdin=PASSWORD)
    assert unasked.returncode == 64
    assert unasked.stderr.startswith("error: there is no terminal to ask whether you mean it\n\nhint: ")
    nobody = expenses(*command, "nobody@example.org", "--yes", url=database, stdin=PASSWORD)
    assert nobody.returncode == 1
    assert nobody.stderr.startswith("error: there is no account with this e-mail address\n\nhint: ")


def test_the_sample_needs_tables(cluster: Cluster) -> None:
    done = expenses("load-sample", url=cluster.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: the database has no tables yet" in done.stderr
