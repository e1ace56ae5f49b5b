"""What the text of an `env.py` says, without running it: hints. An answer may be nothing; it is never a guess."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMENT = re.compile(r"(?m)^\s*#.*$")
_ASYNC = re.compile(r"\b(?:create_async_engine|async_engine_from_config|AsyncEngine|AsyncConnection|run_sync)\b")
_VARIABLE = re.compile(r"""(?:environ(?:\.get)?|getenv)\s*[\[(]\s*["'](\w+)["']""")
_POSTGRESQL = ("postgresql://", "postgresql+", "postgres://")


def version_table(text: str) -> str | None:
    """The version table that `context.configure()` is given literally, as `schema.table` when a schema is given."""
    if "version_table" not in text:
        return None
    text = _COMMENT.sub("", text)
    name, schema = _literal(text, "version_table"), _literal(text, "version_table_schema")
    if name is None or schema is None or not (name or schema):
        return None
    return f"{schema}.{name or 'alembic_version'}" if schema else name


def is_async(text: str) -> bool:
    """Whether it makes an asynchronous engine."""
    return _ASYNC.search(text) is not None


def is_sync(text: str) -> bool:
    """Whether nothing asynchronous is in it."""
    return bool(text) and "async" not in text


def url_variables(text: str, environ: Mapping[str, str]) -> list[str]:
    """Environment variables that it reads and that hold a URL of PostgreSQL now."""
    names = dict.fromkeys(_VARIABLE.findall(_COMMENT.sub("", text)))
    return [name for name in names if environ.get(name, "").startswith(_POSTGRESQL)]


def _literal(text: str, name: str) -> str | None:
    """The one string that a keyword has everywhere; empty without the keyword, nothing when it is no plain string."""
    uses = re.findall(rf"""\b{name}["']?\s*[=:](?!=)\s*(?:(["'])([\w.]+)\1\s*[,)}}\n])?""", text)
    values = {value for _, value in uses}
    if not values:
        return ""
    return values.pop() if len(values) == 1 and "" not in values else None
