"""Which version of what is running, for the record."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.project.configuration import Project

VARIABLE = "TIDEGATE_APP_VERSION"
"""Overrides the version of the package that `[tidegate] package` names; an image may set its own tag here."""


def application_version(project: Project) -> str | None:
    """The version of the application whose migrations these are, if it says so anywhere."""
    package = project.settings.get("package")
    return os.environ.get(VARIABLE) or (_installed(package) if package else None)


def tidegate_version() -> str:
    """Our own version."""
    return _installed("tidegate") or "unknown"


def _installed(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
