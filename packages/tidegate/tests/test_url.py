"""Where the URL comes from, what a driver gets of it, and that no secret of it is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from tidegate.database.address import read_address
from tidegate.database.url import Database, find_database, note_password, redact
from tidegate.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = "postgresql://a@h/a", "postgresql://b@h/b", "postgresql://c@h/c"


@pytest.mark.parametrize(
    ("option", "environ", "ini", "expected"),
    [
        (A, {"DATABASE_URL": B}, C, A),
        (None, {"TIDEGATE_DATABASE_URL": A, "DATABASE_URL": B}, C, A),
        (None, {"DATABASE_URL": B}, C, B),
        (None, {}, C, C),
        (None, {"DATABASE_URL": ""}, C, C),
        (None, {"POSTGRES_PASSWORD": "p@ss/word"}, None, "postgresql://postgres:p%40ss%2Fword@db:5432/postgres"),
        (
            None,
            {"POSTGRES_PASSWORD": "x", "POSTGRES_USER": "u", "POSTGRES_DB": "d", "POSTGRES_HOST": "h"},
            None,
            "postgresql://u:x@h:5432/d",
        ),
        (None, {"POSTGRES_PASSWORD": "x", "DATABASE_URL": B}, None, B),
    ],
)
def test_the_first_place_that_has_a_url_counts(
    option: str | None, environ: dict[str, str], ini: str | None, expected: str
) -> None:
    assert find_database(option, environ, ini).url == expected


def test_alembics_own_command_prefers_alembics_own_setting() -> None:
    assert find_database(None, {"DATABASE_URL": B}, C, ini_first=True).url == C


def test_the_placeholder_of_alembics_template_is_no_url() -> None:
    assert find_database(None, {"DATABASE_URL": B}, "driver://user:pass@localhost/dbname", ini_first=True).url == B


def test_no_url_names_the_three_places() -> None:
    with pytest.raises(UsageError, match=r"(?s)--database-url.*environment.*sqlalchemy\.url"):
        find_database(None, {}, None)


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{A}\n")
    assert find_database(None, {"DATABASE_URL_FILE": str(tmp_path / "url")}, None).url == A


def test_a_secret_given_twice_is_an_error() -> None:
    with pytest.raises(UsageError, match="both `DATABASE_URL` and `DATABASE_URL_FILE`"):
        find_database(None, {"DATABASE_URL": A, "DATABASE_URL_FILE": "x"}, None)


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        find_database(None, {"DATABASE_URL_FILE": str(tmp_path / "none")}, None)


@pytest.mark.parametrize("url", ["sqlite:///x", "mysql://u@h/d", "nonsense"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not PostgreSQL's"):
        find_database(url, {}, None)


def test_a_password_that_breaks_the_url_is_explained_and_not_shown() -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        find_database("postgresql://u:se@cr#et:x/d", {}, None)
    assert "cr" not in caught.value.render().replace("percent-encoded", "")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:se:cr#et?/x@h/d", {"user": "u", "password": "se:cr#et?/x", "host": "h", "dbname": "d"}),
        ("postgresql://u:100%@h/d", {"user": "u", "password": "100%", "host": "h", "dbname": "d"}),
        ("postgresql://u:p%25%40@h/d", {"user": "u", "password": "p%@", "host": "h", "dbname": "d"}),
        ("postgresql://u:p@ss@h/d", {"user": "u", "password": "p@ss", "host": "h", "dbname": "d"}),
        ("postgresql://u@server:pw@h/d", {"user": "u@server", "password": "pw", "host": "h", "dbname": "d"}),
        ("postgresql://u@[::1]:5433/d", {"user": "u", "host": "::1", "port": "5433", "dbname": "d"}),
        ("postgresql://%2Frun%2FPG/d", {"host": "/run/PG", "dbname": "d"}),
        ("postgres://u@h1:1,h2:2/d", {"user": "u", "host": "h1,h2", "port": "1,2", "dbname": "d"}),
        ("postgresql://u@/d?host=h1:1&host=h2:2", {"user": "u", "host": "h1,h2", "port": "1,2", "dbname": "d"}),
        ("postgresql://u@/d?host=/run/PG&port=5433", {"user": "u", "host": "/run/PG", "port": "5433", "dbname": "d"}),
        ("postgresql:///?service=x", {"service": "x"}),
        (
            "postgresql://h/?user=u&password=p%40w&dbname=d",
            {"user": "u", "password": "p@w", "host": "h", "dbname": "d"},
        ),
        ("postgresql://other:wrong@h/e?user=u&password=w", {"user": "u", "password": "w", "host": "h", "dbname": "e"}),
    ],
)
def test_a_url_is_read_as_sqlalchemy_and_libpq_read_it(url: str, expected: dict[str, str]) -> None:
    assert Database(url, "test").libpq_arguments() == expected


def test_what_sqlalchemy_reads_is_the_same_for_us() -> None:
    for url in ("postgresql://u:se:cr#et?/x@h:1/d", "postgresql://u%40s:100%@[::1]/d", "postgresql://u@h/a%20b"):
        ours, theirs = read_address(url), make_url(url)
        assert (ours.user, ours.password, ours.name) == (theirs.username, theirs.password, theirs.database)
        assert ours.hosts[0][0] == theirs.host


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@ss@h:1/d",
        "postgres://u:a%2Fb@h1:1,h2:2/d?sslmode=require",
        "postgresql://%2Frun%2FPG/d?x=1",
        "postgresql://h/d?user=u&password=p%40w&sslmode=disable",
    ],
)
def test_what_sqlalchemy_cannot_read_is_written_in_another_way(url: str) -> None:
    written = read_address(url).url("psycopg2")
    assert read_address(written)._replace(driver=None, is_plain=False, raw_password=None) == read_address(url)._replace(
        is_plain=False, raw_password=None
    )
    assert read_address(written).is_plain
    make_url(written)


def test_the_driver_gets_what_it_understands() -> None:
    database = Database("postgresql+asyncpg://u:p%40w@h:5433/d?ssl=require&prepared_statement_cache_size=0", "test")
    assert database.libpq_arguments() == {
        "host": "h",
        "port": "5433",
        "user": "u",
        "password": "p@w",
        "dbname": "d",
        "sslmode": "require",
    }


def test_a_socket_in_the_query_is_kept() -> None:
    database = Database("postgresql://u@/d?host=/run/pg", "test")
    assert database.libpq_arguments() == {"host": "/run/pg", "user": "u", "dbname": "d"}


def test_showing_a_database_shows_no_secret() -> None:
    database = Database("postgresql://u:geheim@h:1/d?sslpassword=geheim", "test")
    assert "geheim" not in f"{database} {database!r} {[database]}"


@pytest.mark.parametrize(
    "text",
    [
        "could not connect to postgresql://u:geheim@h/d",
        "bad dsn: user=u password=geheim host=h",
        "password = 'geheim' host=h",
        "could not connect to postgresql://u:ge/he:im@geheim@h/d today",
        "FATAL: role geheim does not exist",
    ],
)
def test_a_message_is_cleared_of_the_password(text: str) -> None:
    assert "geheim" not in Database("postgresql://u:geheim@h/d", "test").redact(text)


def test_a_password_is_cleared_wherever_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "from-environment")
    note_password("from-a-service-file")
    text = Database("postgresql://h/d?user=u&password=from-query&sslpassword=of-the-key", "test").redact(
        "from-environment, from-a-service-file, from-query, of-the-key"
    )
    assert text == "***, ***, ***, ***"


def test_redaction_needs_no_known_database() -> None:
    assert redact("postgresql+asyncpg://u:geheim@h/d") == "postgresql+asyncpg://u:***@h/d"
