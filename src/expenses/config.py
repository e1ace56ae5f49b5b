"""What the operator says: every setting of the service, read from the environment by `Settings()`.

Every secret can also come from a file, named by the same variable with `_FILE` behind it. Reading happens
in `create_app()` and in the command line, never on import.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from expenses.errors import ConfigurationError

SECRET_VARIABLES = ("DATABASE_URL", "TIDEGATE_DATABASE_URL", "POSTGRES_PASSWORD", "METRICS_TOKEN")
"""Variables that may be given as `NAME_FILE` instead, the path of a file that holds the value."""


def _zero_if_off(value: object) -> object:
    return 0 if isinstance(value, str) and value.strip().lower() == "off" else value


class Settings(BaseSettings):
    """The settings of one process. Raises `ConfigurationError` when a secret is given twice or cannot be read."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: SecretStr | None = Field(default=None, description="PostgreSQL URL; built from `POSTGRES_*` if unset")
    tidegate_database_url: SecretStr | None = Field(
        default=None, description="For migrations and the operator's commands, if the service has a login of its own"
    )
    postgres_user: str = "expense_admin"
    postgres_password: SecretStr | None = None
    postgres_db: str = "expenses"
    postgres_host: str = "db"
    postgres_port: int = 5432
    database_pool_size: int = Field(default=10, ge=1, le=200, description="Connections kept open per process")
    registration: Literal["open", "closed"] = Field(
        default="closed", description="Who may create an account on the page"
    )
    secure_cookies: bool = Field(default=True, description="Send the session cookie over HTTPS only")
    rate_limit: Annotated[int, BeforeValidator(_zero_if_off)] = Field(
        default=3000, ge=0, description="Requests a minute of one person, by process; 0 or `off`: any"
    )
    rate_limit_address: int = Field(
        default=600, ge=1, description="Requests a minute of one address without a known token or session, by process"
    )
    max_body_bytes: int = Field(default=2 * 1024 * 1024, ge=1024, description="Longest request body that is read")
    statement_timeout_s: int = Field(
        default=30, ge=0, description="Longest that one query may take; 0 leaves it to the server, or to a pooler"
    )
    metrics_token: SecretStr | None = Field(default=None, description="What `/metrics` takes; not served if unset")
    log_format: Literal["json", "console"] = Field(default="json", description="How the log is written")

    @classmethod
    def load(cls) -> Self:
        """The settings of this process, secrets read from their files where `NAME_FILE` says so."""
        given = {name.lower(): value for name in SECRET_VARIABLES if (value := _secret(name)) is not None}
        return cls(**given)  # type: ignore[arg-type]  # pydantic validates what the environment holds

    @model_validator(mode="after")
    def _has_a_way_to_the_database(self) -> Self:
        if self.database_url is None and self.postgres_password is None:
            raise ConfigurationError("neither `DATABASE_URL` nor `POSTGRES_PASSWORD` is set")
        return self

    def sqlalchemy_url(self) -> str:
        """The database URL for SQLAlchemy's asyncpg dialect. It holds the password: never log it."""
        if self.database_url is not None:
            return _for_asyncpg(self.database_url)
        password = self.postgres_password.get_secret_value() if self.postgres_password else ""
        return (
            f"postgresql+asyncpg://{quote(self.postgres_user, safe='')}:{quote(password, safe='')}"
            f"@{self.postgres_host}:{self.postgres_port}/{quote(self.postgres_db, safe='')}"
        )

    def owners_url(self) -> str:
        """The same with the login that owns the tables: `TIDEGATE_DATABASE_URL`, or the only one that there is."""
        return _for_asyncpg(self.tidegate_database_url) if self.tidegate_database_url else self.sqlalchemy_url()


def _for_asyncpg(url: SecretStr) -> str:
    _, _, rest = url.get_secret_value().partition("://")
    return f"postgresql+asyncpg://{rest}"


def _secret(name: str) -> str | None:
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value and path:
        raise ConfigurationError(f"both `{name}` and `{name}_FILE` are set; keep one of them")
    if not path:
        return value or None
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n") or None
    except OSError as exc:
        raise ConfigurationError(f"cannot read the file that `{name}_FILE` names: {exc.strerror}") from exc
