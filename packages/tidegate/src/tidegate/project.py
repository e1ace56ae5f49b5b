"""An Alembic project as its configuration file describes it, read without importing Alembic."""

from __future__ import annotations

import configparser
import os
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
    if not os.path.isfile(config_file):
        raise UsageError(
            f"there is no `{config_file}` here",
            hint="run it in the folder of the Alembic project, or say where it is with `--config path/to/alembic.ini`",
        )
    here = os.path.abspath(os.path.dirname(config_file))
    parser = configparser.ConfigParser({"here": here})
    try:
        parser.read(config_file, encoding="utf-8")
        options = dict(parser.items(section)) if parser.has_section(section) else {}
        settings = dict(parser.items(SECTION)) if parser.has_section(SECTION) else {}
    except configparser.Error as exc:
        raise UsageError(
            f"`{config_file}` cannot be read: {str(exc).splitlines()[0]}",
            hint="a literal `%` must be written `%%` in this file",
        ) from exc
    if not options:
        raise UsageError(f"`{config_file}` has no section `[{section}]`", hint="name the section with `--name`")
    return Project(config_file, section, options, settings)
