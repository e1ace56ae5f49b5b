"""An Alembic project as its configuration file describes it, read without importing Alembic."""

from __future__ import annotations

import configparser
import os
from contextlib import suppress
from typing import NamedTuple

from tidegate.errors import NotStatic, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SECTION = "tidegate"
"""The section of the configuration file that is ours: `version_table`, `package`."""

_SEPARATORS = {"os": os.pathsep, "space": None, "newline": "\n", ":": ":", ";": ";"}


class Project(NamedTuple):
    """One section of one configuration file."""

    config_file: str | None
    section: str
    options: Mapping[str, str]
    """The section's own values, interpolated."""
    settings: Mapping[str, str]
    """The values of `[tidegate]`."""
    toml_file: str | None = None
    """A `pyproject.toml` with a section of Alembic's, which counts before the configuration file (Alembic 1.16)."""

    @property
    def sqlalchemy_url(self) -> str | None:
        """The URL of the configuration file, if it has one."""
        return self.options.get("sqlalchemy.url")

    @property
    def version_table(self) -> str | None:
        """Where the database keeps its revision, when `[tidegate]` says so; may be `schema.table`."""
        return self.settings.get("version_table")

    def version_folders(self) -> list[str]:
        """The folders that hold the revision files.

        Raises:
            NotStatic: Only Alembic can tell, as with a location inside an installed package.
        """
        if self.toml_file is not None:
            raise NotStatic
        locations = self.options.get("version_locations")
        if locations:
            separator = self.options.get("path_separator", self.options.get("version_path_separator", ""))
            if separator not in _SEPARATORS:
                raise NotStatic
            folders = [part.strip() for part in locations.split(_SEPARATORS[separator]) if part.strip()]
        else:
            location = self.options.get("script_location")
            if not location:
                raise NotStatic
            folders = [f"{location}/versions"]
        if self.options.get("recursive_version_locations") or self.options.get("sourceless"):
            raise NotStatic
        if any(":" in folder or not os.path.isdir(folder) for folder in folders):
            raise NotStatic
        return folders


def read_project(config_file: str, section: str = "alembic") -> Project:
    """The project whose configuration file this is.

    Raises:
        UsageError: The file is missing or cannot be read.
    """
    toml_file = find_toml_file()
    if not os.path.isfile(config_file):
        if toml_file is not None:
            return Project(None, section, {}, {}, toml_file)
        raise UsageError(
            f"there is no `{config_file}` here",
            hint="run it in the folder of the Alembic project, or say where it is with `--config path/to/alembic.ini`",
        )
    here = os.path.abspath(os.path.dirname(config_file))
    parser = configparser.ConfigParser({"here": here})
    try:
        parser.read(config_file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as exc:
        where = f" near line {exc.lineno}" if isinstance(exc, configparser.MissingSectionHeaderError) else ""
        raise UsageError(f"`{config_file}` cannot be read{where}: {type(exc).__name__}") from None
    options, settings = section_values(parser, section), section_values(parser, SECTION)
    if not options and toml_file is None:
        raise UsageError(f"`{config_file}` has no section `[{section}]`", hint="name the section with `--name`")
    return Project(config_file, section, options, settings, toml_file)


def find_toml_file() -> str | None:
    """The `pyproject.toml` that Alembic would read here, if it has a section for it."""
    try:
        with open("pyproject.toml", "rb") as file:
            return "pyproject.toml" if b"[tool.alembic" in file.read() else None
    except OSError:
        return None


def section_values(parser: configparser.ConfigParser, section: str) -> dict[str, str]:
    """The values of a section; one that refers to something which only `env.py` fills in is left to `env.py`."""
    values = {}
    for name in parser.options(section) if parser.has_section(section) else ():
        with suppress(configparser.InterpolationError):  # its text holds the value, which may hold a password
            values[name] = parser.get(section, name)
    return values
