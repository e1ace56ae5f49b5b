"""The rival itself: a copy of full-stack-fastapi-template that somebody has fetched, served for a measurement.

`--template FOLDER` of `memory.py` and `api.py`: a work tree of `fastapi/full-stack-fastapi-template` on GitHub, or a
git directory of it. Its backend is copied to a folder that goes away and installed there with what its
`pyproject.toml` asks for, in today's versions as ours are. Nothing of it is in this repository.

Two things differ from what it publishes. It wants Python 3.14; where ours is older, the two places whose syntax is new
are written in the old way, so that both run on the same interpreter. Its tables are made from its models, since its
migrations want an extension (`uuid-ossp`) that the embedded PostgreSQL lacks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servers import Server, find_uv, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ACCOUNT = {"email": "anna@example.org", "password": "correct horse battery staple"}
_TABLES = """
import app.models
from app.core.db import engine
from sqlmodel import SQLModel
SQLModel.metadata.create_all(engine)
"""
_SECRET = "a secret of sufficient length, for a minute"  # noqa: S105 - signs tokens of a database that goes away
_NEW_SYNTAX = {
    "app/api/deps.py": ("except InvalidTokenError, ValidationError:", "except (InvalidTokenError, ValidationError):"),
    "app/models.py": ("list[Item]", 'list["Item"]'),
}


@dataclass(frozen=True)
class Rival:
    """An installed copy."""

    folder: Path
    programs: Path
    name: str
    """What was measured, for the report."""

    def prepare(self, database_url: str) -> Mapping[str, str]:
        """Make its tables and its first account; the settings it runs with."""
        env = {
            "DATABASE_URL": database_url.replace("postgres@", "postgres:any@"),  # it refuses a URL without a password
            "SECRET_KEY": _SECRET,
            "FIRST_SUPERUSER": "admin@example.org",
            "FIRST_SUPERUSER_PASSWORD": ACCOUNT["password"],
            "PROJECT_NAME": "template",
            "PYTHONPATH": str(self.folder),
        }
        python = str(self.programs / "python")
        for command in ([python, "-c", _TABLES], [python, "app/initial_data.py"]):
            done = subprocess.run(command, cwd=self.folder, env=env, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"the rival could not be prepared:\n{done.stderr}"
        return env

    @contextmanager
    def serving(self, env: Mapping[str, str], *, its_way: bool = False) -> Iterator[Server]:
        """One process of uvicorn as ours has it; `its_way`: `fastapi run`, as its Dockerfile says, but one worker."""
        with serving(
            "app.main:app", env, folder=self.folder, programs=self.programs, through_fastapi=its_way
        ) as server:
            yield server

    @staticmethod
    def token(address: str) -> str:
        """The token of somebody who has just signed up, and is not its administrator."""
        api = f"{address}/api/v1"
        form = urllib.parse.urlencode({"username": ACCOUNT["email"], "password": ACCOUNT["password"]})
        _post(f"{api}/users/signup", json.dumps(ACCOUNT), "application/json")
        return str(_post(f"{api}/login/access-token", form, "application/x-www-form-urlencoded")["access_token"])


@contextmanager
def installed(template: Path) -> Iterator[Rival]:
    """The copy in that folder, installed in another one that goes away."""
    with tempfile.TemporaryDirectory(prefix="bench-template-") as name:
        folder = Path(name) / "backend"
        revision = _copy(template, folder)
        frontend = folder / "app" / "frontend"  # its build is another container's work; the folder must be there
        frontend.mkdir(exist_ok=True)
        if sys.version_info < (3, 14):
            _write_in_the_old_way(folder)
        wanted = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"]
        (folder / "wanted.txt").write_text("\n".join(wanted))
        venv, uv, trusting = folder.parent / "venv", find_uv(), {"UV_SYSTEM_CERTS": "true", **os.environ}
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(venv)], env=trusting, check=True)
        python = str(venv / "bin" / "python")
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, "-r", "wanted.txt"]
        subprocess.run(install, cwd=folder, env=trusting, check=True)
        subprocess.run([python, "-m", "compileall", "-q", "app"], cwd=folder, check=True)
        yield Rival(folder, venv / "bin", f"a fetched copy, {revision}")


def _copy(template: Path, folder: Path) -> str:
    """Copy its backend; which revision that is, as far as git knows."""
    git = ["git", "-C", str(template)]
    if (template / "backend").is_dir():
        shutil.copytree(template / "backend", folder)
    else:
        packed = subprocess.run([*git, "archive", "HEAD", "backend"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(folder.parent)], input=packed, check=True)
    said = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
    return said.stdout.strip() if re.fullmatch(r"[0-9a-f]+\n", said.stdout) else "of an unknown revision"


def _write_in_the_old_way(folder: Path) -> None:
    for name, (new, old) in _NEW_SYNTAX.items():
        path = folder / name
        assert new in path.read_text(), f"{name} of the rival has changed: see `_NEW_SYNTAX`"
        path.write_text(path.read_text().replace(new, old))


def _post(url: str, body: str, kind: str) -> dict[str, object]:
    request = urllib.request.Request(url, body.encode(), {"Content-Type": kind})  # noqa: S310 - our own server
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
        return dict(json.load(answer))
