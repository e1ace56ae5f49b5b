"""The URL that `env.py` gets has a driver that its engine can use, and that driver's words for the options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.database.dialect import as_env_py_expects
from tidegate.project.configuration import read_project

if TYPE_CHECKING:
    from pathlib import Path

ASYNC = "connectable = async_engine_from_config({})\n"
SYNC = "connectable = engine_from_config({})\n"
OWN = 'url = url.replace("+asyncpg", "+psycopg2")  # the application is async\n'


@pytest.mark.parametrize(
    ("env_py", "ini_driver", "url", "expected"),
    [
        (SYNC, "", "postgres://u@h/d", "postgresql://u@h/d"),
        (SYNC, "", "postgresql+asyncpg://u@h/d?ssl=require", "postgresql://u@h/d?sslmode=require"),
        (SYNC, "", "postgresql+psycopg2://u@h/d", "postgresql+psycopg2://u@h/d"),
        (SYNC, "+psycopg2", "postgresql+asyncpg://u@h/d", "postgresql+psycopg2://u@h/d"),
        (ASYNC, "", "postgresql://u@h/d?sslmode=require", "postgresql+asyncpg://u@h/d?ssl=require"),
        (ASYNC, "", "postgresql+psycopg://u@h/d", "postgresql+psycopg://u@h/d"),
        (ASYNC, "", "postgresql+psycopg2://u@h/d?application_name=x", "postgresql+asyncpg://u@h/d"),
        (ASYNC, "+psycopg_async", "postgresql://u@h/d", "postgresql+psycopg_async://u@h/d"),
        (OWN, "", "postgresql+asyncpg://u@h/d", "postgresql+asyncpg://u@h/d"),
        (SYNC, "", "postgresql://u:p@ss@h1:1,h2/d", "postgresql://u:p%40ss@/d?host=h1:1&host=h2"),
    ],
)
def test_env_py_gets_a_url_that_its_engine_can_use(
    tmp_path: Path, env_py: str, ini_driver: str, url: str, expected: str
) -> None:
    (tmp_path / "env.py").write_text(env_py)
    scheme = f"postgresql{ini_driver}" if ini_driver else "driver"
    (tmp_path / "alembic.ini").write_text(
        f"[alembic]\nscript_location = %(here)s\nsqlalchemy.url = {scheme}://user:pass@localhost/dbname\n"
    )
    assert as_env_py_expects(url, read_project(str(tmp_path / "alembic.ini"))) == expected
