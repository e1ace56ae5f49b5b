"""What the `downgrade()` of a revision file would lose, told from its code without running it.

What the code does not say literally counts as a loss that may be anything: a table name from a loop, SQL that is put
together, a function of another module. That asks for a `--yes` too often rather than too seldom.
"""

from __future__ import annotations

import ast
import builtins
import sys

from tidegate.sql.loss import Loss, losses_in_sql
from tidegate.sql.parse_tree import Name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HARMLESS_OPERATIONS = {
    "add_column", "alter_column", "batch_alter_table", "bulk_insert", "drop_constraint", "drop_index",
    "drop_table_comment", "f", "get_bind", "get_context", "inline_literal", "rename_table",
}  # fmt: skip
"""Of `op`, beside `create_…`: they drop no rows."""

_SENDS = {"execute", "exec_driver_sql", "executemany", "scalar", "scalars"}
"""Methods that send their first argument to the database."""

_READS_OR_WRITES = {"select", "update", "insert", "values"}
"""How a harmless expression of SQLAlchemy begins: `sa.update(t)`, `t.insert()`."""

_KNOWN_PACKAGES = {"sqlalchemy", "alembic", "sqlalchemy_utils", "geoalchemy2", "pgvector"}
_KNOWN_PACKAGES |= sys.stdlib_module_names - {"subprocess", "runpy", "importlib"}
"""A call of what comes from these drops nothing by itself, except where it is named here."""

_BY_NAME = {"drop_table", "drop_column", "rename_table", *_SENDS}
"""What `from alembic.op import drop_table` makes a plain function."""

_DESCRIBE = {"type_", "existing_type", "server_default", "existing_server_default"}
"""Arguments that describe a column, as all of `Column` do: whatever makes a type there makes nothing else."""

_RISKY_BUILTINS = {"eval", "exec", "getattr", "__import__"}


def losses_in_file(revision_id: str, source: str) -> list[Loss]:
    """What taking this revision back would lose, in the order of its code."""
    module = ast.parse(source)
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade" and not node.decorator_list:
            reader = _Reader(module)
            reader.enter(node)
            return [loss._replace(where=f"revision {revision_id}, {loss.where}") for loss in reader.losses]
    return [Loss("unknown", why="its `downgrade` is no plain function", where=f"revision {revision_id}")]


class _Reader(ast.NodeVisitor):
    """Walks `downgrade()` and the functions of its own file that it calls."""

    def __init__(self, module: ast.Module) -> None:
        self.losses: list[Loss] = []
        self._functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
        self._known = set(vars(builtins)) - _RISKY_BUILTINS
        self._known |= {node.name for node in ast.walk(module) if isinstance(node, ast.ClassDef)}
        inner = [node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
        self._known |= set(inner) - set(self._functions)  # functions in functions: read where they stand
        self._foreign: set[str] = set()
        self._bound = _assigned_once(module.body)
        self._batches: dict[str, Name | None] = {}
        self._entered: set[str] = set()
        for node in ast.walk(module):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._note_import(node)

    def enter(self, function: ast.FunctionDef) -> None:
        """Read a function's body; each only once, so that one that calls itself ends."""
        if function.name in self._entered:
            return
        self._entered.add(function.name)
        outside = self._bound
        names = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
        names |= {
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        self._bound = {name: value for name, value in outside.items() if name not in names}
        self._bound |= _assigned_once(function.body)
        for statement in function.body:
            self.visit(statement)
        self._bound = outside

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            call, alias = item.context_expr, item.optional_vars
            if isinstance(call, ast.Call) and _method(call) == "batch_alter_table" and isinstance(alias, ast.Name):
                self._batches[alias.id] = self._table(call, 0, "table_name")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        method = name if name in _BY_NAME - set(self._functions) else _method(node)
        if method in _SENDS:
            self._send(node)
            for part in (node.func, *node.args[1:]):
                self.visit(part)
            return
        if method is not None:
            self._call_method(node, method)
        elif name is not None:
            self._call_name(node, name)
        elif not isinstance(node.func, ast.Call):
            self._doubt(node, f"`{ast.unparse(node)[:60]}` may do anything")
        if _chain(node)[:1] != ["Column"]:
            for part in (
                node.func,
                *node.args,
                *(given.value for given in node.keywords if given.arg not in _DESCRIBE),
            ):
                self.visit(part)

    def _call_name(self, node: ast.Call, name: str) -> None:
        if name in self._functions:
            self.enter(self._functions[name])
        elif name not in self._known:
            self._doubt(node, f"`{name}()` may do anything")

    def _call_method(self, node: ast.Call, method: str) -> None:
        root = _root(node.func)
        if method == "drop_table":
            self._note_table(node)
        elif method == "drop_column":
            self._note_column(node, root)
        elif method == "rename_table" or (method == "alter_column" and _argument(node, 9, "new_column_name")):
            self._note(node, Loss("rename"))
        elif method in {"drop_all", "delete", "callproc"} or (method == "drop" and not self._is_enum(node.func)):
            self._doubt(node, f"`.{method}()` drops what its text does not name")
        elif _receiver(node) == "op" and not (method in _HARMLESS_OPERATIONS or method.startswith("create_")):
            self._doubt(node, f"`op.{method}()` may do anything")
        elif root in self._foreign:
            self._doubt(node, f"`{ast.unparse(node.func)}()` may do anything")

    def _note_table(self, node: ast.Call) -> None:
        table = self._table(node, 0, "table_name")
        if table is None:
            self._doubt(node, f"it drops a table whose name is no literal: `{ast.unparse(node)[:60]}`")
        else:
            self._note(node, Loss("table", table))

    def _note_column(self, node: ast.Call, root: str | None) -> None:
        if root in self._batches:
            table, column = self._batches[root or ""], self._text(_argument(node, 0, "column_name"))
        else:
            table, column = self._table(node, 0, "table_name"), self._text(_argument(node, 1, "column_name"))
        if table is None or column is None:
            self._doubt(node, f"it drops a column whose name is no literal: `{ast.unparse(node)[:60]}`")
        else:
            self._note(node, Loss("column", table, column))

    def _send(self, node: ast.Call) -> None:
        argument = _argument(node, 0, "sqltext") or _argument(node, 0, "statement")
        if argument is None:
            return
        if (sql := self._text(argument)) is not None:
            for loss in losses_in_sql(sql):
                self._note(node, loss)
            return
        for word in _chain(self._resolved(argument)):
            if word in _READS_OR_WRITES:
                return
            if word == "delete":
                self._doubt(node, f"it deletes rows: `{ast.unparse(node)[:60]}`")
                return
        self._doubt(node, f"its SQL is no literal: `{ast.unparse(node)[:60]}`")

    def _table(self, node: ast.Call, position: int, keyword: str) -> Name | None:
        """The table that a call names, with its schema; nothing where either is not literal."""
        name = self._text(_argument(node, position, keyword))
        schema = _argument(node, 99, "schema")
        if name is None or (schema is not None and not _is_none(schema) and self._text(schema) is None):
            return None
        return Name(self._text(schema) if schema is not None else None, name)

    def _text(self, node: ast.expr | None) -> str | None:
        """The string that an expression is, where that can be told."""
        node = self._resolved(node)
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._text(node.left), self._text(node.right)
            return left + right if left is not None and right is not None else None
        if isinstance(node, ast.JoinedStr):
            parts = [self._text(part.value if isinstance(part, ast.FormattedValue) else part) for part in node.values]
            return None if None in parts else "".join(part for part in parts if part is not None)
        if isinstance(node, ast.Call):
            return self._called_text(node, _chain(node)[:1])
        return None

    def _called_text(self, node: ast.Call, name: list[str]) -> str | None:
        if name in (["text"], ["dedent"]):
            return self._text(_argument(node, 0, "text"))
        if name in (["bindparams"], ["execution_options"]) and isinstance(node.func, ast.Attribute):
            return self._text(node.func.value)
        return None

    def _resolved(self, node: ast.expr | None) -> ast.expr | None:
        """What a name that is assigned once stands for."""
        for _ in range(10):
            if not isinstance(node, ast.Name) or node.id not in self._bound:
                break
            node = self._bound[node.id]
        return node

    def _is_enum(self, node: ast.expr) -> bool:
        """Whether it is a type's method: dropping a type fails while a column has it, so no rows go."""
        return bool({"ENUM", "Enum"} & {*_chain(node), *_chain(self._bound.get(_root(node) or ""))})

    def _note_import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            package = node.module or "" if isinstance(node, ast.ImportFrom) else alias.name
            is_relative = isinstance(node, ast.ImportFrom) and node.level > 0
            is_known = not is_relative and package.split(".")[0] in _KNOWN_PACKAGES
            (self._known if is_known else self._foreign).add((alias.asname or alias.name).split(".")[0])

    def _note(self, node: ast.AST, loss: Loss) -> None:
        self.losses.append(loss._replace(where=f"line {getattr(node, 'lineno', 0)}"))

    def _doubt(self, node: ast.AST, why: str) -> None:
        self._note(node, Loss("unknown", why=why))


def _assigned_once(body: list[ast.stmt]) -> dict[str, ast.expr]:
    """What each name stands for that a body binds exactly once, by a plain assignment."""
    nodes = [node for statement in body if not isinstance(statement, ast.FunctionDef) for node in ast.walk(statement)]
    bound = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    values: dict[str, ast.expr] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if len(targets) == 1 and isinstance(targets[0], ast.Name) and bound.count(targets[0].id) == 1:
            values[targets[0].id] = value
    return values


def _method(node: ast.Call) -> str | None:
    return node.func.attr if isinstance(node.func, ast.Attribute) else None


def _receiver(node: ast.Call) -> str | None:
    """The name whose own method is called; nothing for the method of what another call gave."""
    is_plain = isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    return _root(node.func) if is_plain else None


def _root(node: ast.expr) -> str | None:
    """The name that a chain of attributes and calls begins with."""
    while isinstance(node, (ast.Attribute, ast.Call)):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else None


def _chain(node: ast.expr | None) -> list[str]:
    """The names of a chain of calls, the outermost first: `where`, `update`, `sa` of `sa.update(t).where(x)`."""

    def names() -> Iterator[str]:
        current = node
        while isinstance(current, (ast.Call, ast.Attribute, ast.Name)):
            if isinstance(current, ast.Name):
                yield current.id
                return
            if isinstance(current, ast.Attribute):
                yield current.attr
            current = current.func if isinstance(current, ast.Call) else current.value

    return list(names())


def _argument(node: ast.Call, position: int, keyword: str) -> ast.expr | None:
    for given in node.keywords:
        if given.arg == keyword:
            return given.value
    return node.args[position] if position < len(node.args) else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
