"""What a revision's file names, read without running it: the fallback for revisions that ask the database something.

It sees `op.add_column("users", …)` where the table is written there, and the text of `op.execute("…")`. It does not see
what loops, conditions or other modules do.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from tidegate.database.url import redact
from tidegate.sql.effects import read_statements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.sql.effects import Statement

_STAND_INS = {
    "add_column": 'ALTER TABLE {0} ADD COLUMN "?" text',
    "alter_column": 'ALTER TABLE {0} ALTER COLUMN "?" SET DEFAULT NULL',
    "drop_column": 'ALTER TABLE {0} DROP COLUMN "{1}"',
    "rename_table": 'ALTER TABLE {0} RENAME TO "{1}"',
    "drop_table": "DROP TABLE {0}",
    "create_table": "CREATE TABLE {0} ()",
    "create_check_constraint": 'ALTER TABLE {1} ADD CONSTRAINT "{0}" CHECK (true)',
    "create_unique_constraint": 'ALTER TABLE {1} ADD CONSTRAINT "{0}" UNIQUE ("?")',
    "create_primary_key": 'ALTER TABLE {1} ADD CONSTRAINT "{0}" PRIMARY KEY ("?")',
    "create_foreign_key": 'ALTER TABLE {1} ADD CONSTRAINT "{0}" FOREIGN KEY ("?") REFERENCES {2}',
    "drop_constraint": 'ALTER TABLE {1} DROP CONSTRAINT "{0}"',
    "create_index": 'CREATE INDEX{concurrently} "{0}" ON {1} ("?")',
    "drop_index": 'DROP INDEX{concurrently} "{0}"',
    "create_table_comment": "COMMENT ON TABLE {0} IS ''",
    "drop_table_comment": "COMMENT ON TABLE {0} IS NULL",
    "batch_alter_table": 'ALTER TABLE {0} ADD COLUMN "?" text',
}
"""A statement that locks what the operation locks; `{0}` is its first argument."""

_TABLE_PLACES = {"{0}", "{1}", "{2}"}


class Source(NamedTuple):
    """What one file says."""

    title: str = ""
    calls: tuple[ast.Call, ...] = ()
    asks_for_offline_mode: bool = False

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations as people read them: `add_column users`."""
        return tuple(redact(_shown(call)) for call in self.calls)

    def statements(self, created: Sequence[tuple[str | None, str]] = ()) -> tuple[Statement, ...]:
        """Statements that lock what the operations lock, as far as the file names it."""
        found: list[Statement] = []
        for call in self.calls:
            text = _stand_in(call)
            if text is not None:
                known = [*created, *(name for statement in found for name in statement.creates)]
                found += [one._replace(sql=redact(_shown(call))) for one in read_statements(text, known) or ()]
        return tuple(found)


def read_source(path: str) -> Source:
    """What the file says; nothing where it cannot be read or parsed."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return Source()
    title = (ast.get_docstring(tree) or "").split("\n")[0].strip().rstrip(".")
    asks = "is_offline_mode" in text or ".as_sql" in text
    return Source(title, tuple(_calls(tree)), asks)


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The operations of every function but `downgrade`, in the order of the file."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name != "downgrade":
            calls = [one for one in ast.walk(node) if isinstance(one, ast.Call) and _operation(one)]
            yield from sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def _operation(call: ast.Call) -> str | None:
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        is_operation = function.attr in _STAND_INS or function.attr in {"execute", "bulk_insert"}
        return function.attr if function.value.id == "op" and is_operation else None
    return None


def _words(call: ast.Call) -> list[str | None]:
    return [_word(node) for node in call.args]


def _word(node: ast.expr) -> str | None:
    if isinstance(node, ast.Call) and node.args:  # `op.f("ix_users_name")`
        node = node.args[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _keyword(call: ast.Call, name: str) -> object:
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return keyword.value.value
    return None


def _shown(call: ast.Call) -> str:
    name = _operation(call) or ""
    words = [word for word in _words(call) if word]
    return f"{name} {' '.join(words)}".strip() if name != "execute" else " ".join((_sql(call) or "execute …").split())


def _sql(call: ast.Call) -> str | None:
    """The text of `op.execute("…")`, also within `text("…")`."""
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
    return None


def _stand_in(call: ast.Call) -> str | None:
    name = _operation(call)
    if name == "execute":
        return _sql(call)
    form = _STAND_INS.get(name or "")
    if form is None:
        return None
    schema = _keyword(call, "schema")
    named = {"{1}": _keyword(call, "table_name")} if name in {"drop_index", "create_index"} else {}
    words = _words(call)
    for place in sorted(_TABLE_PLACES):
        number = int(place[1])
        word = words[number] if number < len(words) else named.get(place)
        if place in form and not isinstance(word, str):
            if f'"{place}"' not in form:
                return None  # the table is not written there
            form = form.replace(place, "?")
        elif isinstance(word, str):
            quoted = '"{}"'.format(word.replace('"', '""'))
            qualified = f'"{schema}".{quoted}' if isinstance(schema, str) else quoted
            form = form.replace(f'"{place}"', quoted).replace(place, qualified)
    return form.replace("{concurrently}", " CONCURRENTLY" if _keyword(call, "postgresql_concurrently") else "")
