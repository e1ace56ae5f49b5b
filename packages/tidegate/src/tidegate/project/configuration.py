"""An Alembic project as its configuration file describes it, read without importing Alembic."""

from __future__ import annotations

import configparser
import os
import re
import sys
from contextlib import suppress
from typing import NamedTuple

from tidegate.errors import NotStatic, UsageError
from tidegate.project import env_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SECTION = "tidegate"
"""The section of the configuration file that is ours: `version_table`, `package`."""

TOML_NAME = "pyproject.toml"

_REFERENCE = re.compile(r"%\((\w+)\)s")

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
        """Where the database keeps its revision, as `[tidegate]` says or `env.py` literally; may be `schema.table`."""
        return self.settings.get("version_table") or env_text.version_table(self.env_py)

    @property
    def env_py(self) -> str:
        """The text of `env.py`, for what can be read of it; empty when only Alembic knows where it is."""
        try:
            with open(
                os.path.join(self._folder(self.option("script_location") or "."), "env.py"), encoding="utf-8"
            ) as file:
                return file.read()
        except (OSError, UnicodeDecodeError, NotStatic):
            return ""

    def what_it_says_of_the_url(self, environ: Mapping[str, str]) -> tuple[str, str | None]:
        """For the error without a URL: what the file has in its place, and the next command, if `env.py` tells it."""
        said = f"`sqlalchemy.url` in `{self.config_file}`, section `[{self.section}]`, is not set"
        if self.config_file is None:
            said = "there is none, and `pyproject.toml` never holds the URL"
        elif self.sqlalchemy_url:
            said = said.replace("is not set", "is still the placeholder of Alembic's template")
        elif missing := _missing_values(self.config_file, self.section, "sqlalchemy.url"):
            said = said.replace("is not set", f"needs {missing}, which the file does not have")
        names = env_text.url_variables(self.env_py, environ)
        if not names:
            return said, None
        return said, f'`env.py` takes it from `{names[0]}`: `export TIDEGATE_DATABASE_URL="${names[0]}"`, and repeat'

    def option(self, name: str) -> Any:
        """One of Alembic's settings: from the configuration file, else from `pyproject.toml`.

        Raises:
            NotStatic: It needs more than `%(here)s`.
        """
        if name in self.options:
            return self.options[name]
        if self.toml_file is None:
            return None
        value, here = read_toml(self.toml_file).get(name), os.path.abspath(os.path.dirname(self.toml_file))
        try:
            if isinstance(value, list):
                return [item % {"here": here} for item in value]
            return value % {"here": here} if isinstance(value, str) else value
        except (KeyError, TypeError, ValueError) as exc:
            raise NotStatic from exc

    def version_folders(self) -> list[str]:
        """The folders that hold the revision files.

        Raises:
            NotStatic: Only Alembic can tell, as with a location inside an installed package.
        """
        locations = self.option("version_locations")
        if not locations:
            location = self.option("script_location")
            if not location:
                raise NotStatic
            locations = [f"{location}/versions"]
        if self.option("sourceless") in {"true", True}:
            raise NotStatic
        folders = [self._folder(part) for part in self._split(locations, "version_path_separator")]
        if self.option("recursive_version_locations") in {"true", True}:
            return [inner for folder in folders for inner in _with_inner_folders(folder)]
        return folders

    def _folder(self, location: str) -> str:
        """The folder of a location, which may be `package:path`."""
        package, colon, path = location.partition(":")
        if not colon:
            folder = location
        else:
            on_path = self.option("prepend_sys_path")
            searched = [*(self._split(on_path) if on_path else ()), *sys.path]
            folder = os.path.join(_package_folder(package, searched), path)
        if ":" in folder or not os.path.isdir(folder):
            raise NotStatic
        return folder

    def _split(self, paths: str | list[str], older_name: str = "path_separator") -> list[str]:
        if isinstance(paths, list):
            return paths
        separator = self.options.get("path_separator", self.options.get(older_name, ""))
        if separator not in _SEPARATORS:
            raise NotStatic
        return [part.strip() for part in paths.split(_SEPARATORS[separator]) if part.strip()]


def _package_folder(package: str, searched: list[str]) -> str:
    """Where a package is, without importing it.

    Raises:
        NotStatic: It is in no plain folder.
    """
    from importlib.machinery import PathFinder

    places: list[str] | None = searched
    for name in package.split("."):
        spec = PathFinder.find_spec(name, places)
        places = spec.submodule_search_locations if spec else None
        if not places:
            raise NotStatic
    return places[0] if places else ""


def read_project(config_file: str, section: str = "alembic") -> Project:
    """The project whose configuration file this is; it may be a `pyproject.toml`, as for Alembic.

    Raises:
        UsageError: The file is missing or cannot be read, or describes several databases.
    """
    toml_file = find_toml_file(config_file)
    if toml_file is not None and os.path.basename(config_file) == TOML_NAME:
        config_file = "alembic.ini"
    if not os.path.isfile(config_file):
        if toml_file is not None:
            return Project(None, section, {}, {}, toml_file)
        raise UsageError(
            f"there is no `{config_file}` here",
            hint="run it in the folder of the Alembic project, or say where it is with `--config path/to/alembic.ini`",
        )
    parser = _read_ini(config_file)
    options, settings = section_values(parser, section), section_values(parser, SECTION)
    if not options and (toml_file is None or section != "alembic"):
        found = ", ".join(f"`{name}`" for name in parser.sections() if parser.has_option(name, "script_location"))
        raise UsageError(
            f"`{config_file}` has no section `[{section}]`",
            hint=f"name the section with `--name`{f'; there is {found}' if found else ''}",
        )
    _refuse_several_databases(parser, options, config_file)
    return Project(config_file, section, options, settings, toml_file)


def _read_ini(config_file: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser({"here": os.path.abspath(os.path.dirname(config_file))})
    try:
        with open(config_file, encoding="utf-8") as file:
            parser.read_file(file)
    except OSError as exc:
        raise UsageError(
            f"`{config_file}` cannot be read: {os.strerror(exc.errno or 0).lower()}", hint=f"`ls -l {config_file}`"
        ) from None
    except (configparser.Error, UnicodeDecodeError) as exc:  # their texts hold values, which may hold a password
        line = getattr(exc, "lineno", None)
        raise UsageError(
            f"`{config_file}` cannot be read{f' near line {line}' if line else ''}: {type(exc).__name__}",
            hint="write it as `alembic init` does, in UTF-8; or name another file with `--config`",
        ) from None
    return parser


def _refuse_several_databases(parser: configparser.ConfigParser, options: Mapping[str, str], config_file: str) -> None:
    """Alembic's template `multidb` migrates several databases in one run; one lock guards one database."""
    names = [name.strip() for name in options.get("databases", "").split(",") if name.strip()]
    if names and all(parser.has_section(name) for name in names):
        raise UsageError(
            f"`{config_file}` describes several databases in one project ({', '.join(f'`{name}`' for name in names)}); "
            "a guarded run migrates one",
            hint=f"give each database a section with its own `script_location` and `sqlalchemy.url`, then run "
            f"`tidegate upgrade --name {names[0]}` and so on; until then `alembic upgrade head` does it unguarded",
        )


def find_toml_file(config_file: str = "") -> str | None:
    """The `pyproject.toml` that Alembic would read, if it has a section for it."""
    path = config_file if os.path.basename(config_file) == TOML_NAME else TOML_NAME
    try:
        with open(path, "rb") as file:
            return path if b"[tool.alembic" in file.read() else None
    except OSError:
        return None


def read_toml(toml_file: str) -> dict[str, Any]:
    """Alembic's section of a `pyproject.toml`.

    Raises:
        UsageError: It cannot be read.
    """
    import tomllib

    try:
        with open(toml_file, "rb") as file:
            section = tomllib.load(file).get("tool", {}).get("alembic", {})
    except (OSError, ValueError) as exc:
        raise UsageError(f"`{toml_file}` cannot be read: {type(exc).__name__}") from None
    return section if isinstance(section, dict) else {}


def _with_inner_folders(folder: str) -> list[str]:
    return [root for root, _, _ in os.walk(folder) if not root.endswith("__pycache__")]


def _missing_values(config_file: str, section: str, name: str) -> str:
    """The values that an option refers to and that are in no section; `env.py` fills them in."""
    parser = _read_ini(config_file)
    raw = parser.get(section, name, raw=True, fallback="")
    return ", ".join(f"`%({used})s`" for used in _REFERENCE.findall(raw) if not parser.has_option(section, used))


def section_values(parser: configparser.ConfigParser, section: str) -> dict[str, str]:
    """The values of a section; one that refers to something which only `env.py` fills in is left to `env.py`."""
    values = {}
    for name in parser.options(section) if parser.has_section(section) else ():
        with suppress(configparser.InterpolationError):  # its text holds the value, which may hold a password
            values[name] = parser.get(section, name)
    return values
