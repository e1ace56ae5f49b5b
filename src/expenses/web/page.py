"""Templates to answers.

Each noun keeps its templates in its own `templates/` folder and names them `<noun>/<file>`; `web/` has the layout.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from expenses.versions import version_of
from expenses.web import assets, figures
from expenses.web.compiled import Compiled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from starlette.requests import Request

    class Shown(Protocol):
        """What has a version made from what is shown of it."""

        def snapshot(self) -> Mapping[str, object]:
            """What is shown of it."""


_PACKAGE = Path(__file__).parents[1]


def page(request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """The template as an answer. A form with errors is answered with 422, which htmx is told to show."""
    return HTMLResponse(render(template, request=request, **context), status_code=status)


def render(template: str, **context: object) -> str:
    """The template as text. Raises `jinja2.UndefinedError` if it names something that `context` lacks."""
    return templates().get_template(template).render(**context)


def see_other(path: str) -> RedirectResponse:
    """The redirect after a successful POST, so that reloading repeats nothing."""
    return RedirectResponse(path, status_code=303)


def is_own_path(text: str) -> bool:
    """Whether a redirect there stays on this site: with a second slash or backslash it would name another host."""
    return text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()


def _version(thing: Shown) -> str:
    return version_of(thing.snapshot())


@cache
def templates() -> Environment:
    """Jinja's environment, one a process: everything escaped, unknown names are errors."""
    folders = {folder.parent.name: FileSystemLoader(folder) for folder in sorted(_PACKAGE.glob("*/templates"))}
    environment = Environment(
        loader=PrefixLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=Compiled(),
    )
    environment.globals["asset"] = assets.url
    environment.filters |= {
        "version": _version,
        "grouped": figures.grouped,
        "day_name": figures.day_name,
        "short_day": figures.short_day,
        "month_name": figures.month_name,
    }
    return environment
