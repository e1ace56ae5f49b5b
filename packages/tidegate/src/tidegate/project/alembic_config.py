"""Alembic's own configuration object for a project. Importing this imports Alembic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.config import Config

if TYPE_CHECKING:
    from tidegate.project.configuration import Project


def alembic_config(project: Project, *, sqlalchemy_url: str | None = None) -> Config:
    """A configuration as `alembic -c FILE -n SECTION` would have it, with the project's own overrides."""
    config = Config(project.config_file, toml_file=project.toml_file, ini_section=project.section)
    for name, value in project.options.items():
        if name != "here" and config.get_main_option(name) != value:
            config.set_main_option(name, value.replace("%", "%%"))
    if sqlalchemy_url is not None:
        config.set_main_option("sqlalchemy.url", sqlalchemy_url.replace("%", "%%"))
    return config
