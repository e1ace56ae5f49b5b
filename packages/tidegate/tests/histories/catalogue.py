"""The histories that nobody here wrote: what each package needs so that its migrations run as it ships them.

No file of a package is changed. `command` is what its own maintainers say, and what tidegate's result is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

PINS = Path(__file__).parent
"""`NAME.txt` beside this file holds the exact versions, made by `uv pip compile --universal`."""


@dataclass(frozen=True)
class History:
    """One package with its Alembic project. `{url}` stands for `user@host:port/database`."""

    name: str
    config: str
    """Its configuration file, from the folder that packages are installed in; commands run in that folder."""
    command: tuple[str, ...]
    """Upgrades an empty database in the package's own way."""
    environ: dict[str, str] = field(default_factory=dict)
    prepare: str = ""
    """Python that the package's own command runs on an empty database before it calls Alembic."""

    @property
    def pins(self) -> Path:
        return PINS / f"{self.name}.txt"

    def environment(self, url: str) -> dict[str, str]:
        """Its variables for the database at this URL."""
        rest = url.removeprefix("postgresql://")
        given = {"DATABASE_URL": url} | {name: value.format(url=rest) for name, value in self.environ.items()}
        return given | {"DO_NOT_TRACK": "1"}

    def own_command(self, url: str) -> list[str]:
        """Its own way to head."""
        return [part.format(url=url.removeprefix("postgresql://")) for part in self.command]


HISTORIES = (
    # `alembic upgrade head` cannot run Prefect's env.py: it wants to be called in a thread beside an event loop, which
    # its own command and tidegate give it, and it sets the folder of its revisions itself.
    History(
        "prefect",
        config="prefect/server/database/alembic.ini",
        command=("prefect", "server", "database", "upgrade", "-y"),
        environ={
            "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://{url}",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        },
    ),
    # `mlflow-skinny` has MLflow's whole history, and a sixth of the size. The first revision alters tables that
    # `mlflow db upgrade` makes beforehand on an empty database. `mlflow` names its scripts from the folder it is in.
    History(
        "mlflow",
        config="mlflow/store/db_migrations/alembic.ini",
        command=("mlflow", "db", "upgrade", "postgresql+psycopg2://{url}"),
        environ={"MLFLOW_DISABLE_TELEMETRY": "true"},
        prepare="import os, sqlalchemy\n"
        "from mlflow.store.tracking.dbmodels.initial_models import Base\n"
        "url = os.environ['DATABASE_URL'].replace('postgresql:', 'postgresql+psycopg2:')\n"
        "Base.metadata.create_all(sqlalchemy.create_engine(url))\n",
    ),
    # `airflow db migrate` makes an empty database from its tables and stamps it, so the history is only walked by
    # Alembic's own command. The names in its file of settings come from the environment; asyncpg it wants in any case.
    History(
        "airflow",
        config="airflow/alembic.ini",
        command=("alembic", "-c", "airflow/alembic.ini", "upgrade", "head"),
        environ={
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://{url}",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
        },
    ),
)
