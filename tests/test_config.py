"""Settings as the operator gives them: variables of the environment, and files of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from expenses.config import Settings
from expenses.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of this machine's, and the only thing that must be said."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("POSTGRES_PASSWORD", "secret")
    return monkeypatch


def test_what_is_not_said_is_as_documented_and_what_we_do_not_know_is_ignored(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RATE_LIMITS", "9")
    settings = Settings.load()
    assert (settings.registration, settings.secure_cookies, settings.rate_limit) == ("closed", True, 3000)
    assert settings.sqlalchemy_url() == "postgresql+asyncpg://expense_admin:secret@db:5432/expenses"


def test_values_are_of_their_settings_kind(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECURE_COOKIES", "false")
    environment.setenv("DATABASE_POOL_SIZE", "3")
    environment.setenv("REGISTRATION", "open")
    settings = Settings.load()
    assert (settings.secure_cookies, settings.database_pool_size, settings.registration) == (False, 3, "open")


@pytest.mark.parametrize(("name", "value"), [("REGISTRATION", "ajar"), ("POSTGRES_PORT", "x"), ("RATE_LIMIT", "x")])
def test_a_value_that_is_none_names_its_setting(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings.load()


def test_a_secret_may_come_from_a_file_but_not_from_two_places(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://anna:s3cret@there/books\n")
    environment.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    settings = Settings.load()
    assert settings.sqlalchemy_url() == "postgresql+asyncpg://anna:s3cret@there/books"
    assert "s3cret" not in repr(settings)
    environment.setenv("DATABASE_URL", "postgresql://elsewhere/books")
    with pytest.raises(ConfigurationError, match="both `DATABASE_URL` and `DATABASE_URL_FILE`"):
        Settings.load()


def test_a_secret_that_is_empty_is_not_said(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("DATABASE_URL", "")
    environment.setenv("METRICS_TOKEN", "")
    settings = Settings.load()
    assert (settings.database_url, settings.metrics_token) == (None, None)
    environment.delenv("METRICS_TOKEN")
    (tmp_path / "empty").write_text("\n")
    environment.setenv("METRICS_TOKEN_FILE", str(tmp_path / "empty"))
    assert Settings.load().metrics_token is None
    environment.setenv("POSTGRES_PASSWORD", "")
    with pytest.raises(ConfigurationError, match="neither"):
        Settings.load()
