"""The Python part of the reference: what `import tidegate` offers, from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

import tidegate
from tidegate import errors

if TYPE_CHECKING:
    from collections.abc import Iterator


def python_names() -> str:
    """What `import tidegate` offers."""
    lines = ["## Python\n", "Importing `tidegate` loads nothing else; each name is loaded when it is first used.\n"]
    for name in tidegate.__all__:
        value = getattr(tidegate, name)
        if isinstance(value, type) and issubclass(value, Exception):
            continue
        lines += [f"### `tidegate.{name}`\n", f"```python\n{_signature(name, value)}\n```\n", *_docstring(value)]
    lines += ["### Errors\n", "Each has `message`, `hint` (the next command, or nothing) and `exit_code`.\n", "```"]
    tree = inspect.getdoc(errors) or ""
    lines += [inspect.cleandoc(tree.split("\n\n")[1]), "```"]
    return "\n".join(lines) + "\n"


def _signature(name: str, value: Any) -> str:  # noqa: ANN401 - a function or a class
    if isinstance(value, type) and issubclass(value, tuple):
        fields = [f"    {field}: {_plain(kind)}" for field, kind in inspect.get_annotations(value).items()]
        return "\n".join([f"class {name}(NamedTuple):", *fields])
    lines = [_call(name, value)]
    if isinstance(value, type):
        members = {key: member for key, member in vars(value).items() if not key.startswith("_")}
        lines += [_member(key, member) for key, member in members.items()]
    return "\n".join(lines)


def _member(name: str, value: Any) -> str:  # noqa: ANN401 - a property or a method
    if isinstance(value, property):
        return f"    .{name}: {inspect.get_annotations(value.fget)['return']}"  # type: ignore[arg-type]  # a property has a getter
    return f"    .{_call(name, value)}"


def _call(name: str, value: Any) -> str:  # noqa: ANN401 - a function or a class
    signature = inspect.signature(value)
    parts = []
    for one in signature.parameters.values():
        if one.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        if one.name != "self":
            default = "" if one.default is inspect.Parameter.empty else f" = {_value(one.default)}"
            parts.append(f"{one.name}: {_plain(one.annotation)}{default}")
    result = signature.return_annotation
    return f"{name}({', '.join(parts)}){'' if isinstance(value, type) else f' -> {_plain(result)}'}"


def _value(value: object) -> str:
    return "…" if callable(value) else repr(value).removeprefix("datetime.")


def _plain(annotation: Any) -> str:  # noqa: ANN401 - a string, or what `NamedTuple` made of it
    return str(getattr(annotation, "__forward_arg__", annotation))


def _docstring(value: object) -> Iterator[str]:
    text = inspect.getdoc(value) or ""
    summary, *rest = text.split("\n\n")
    yield flat(summary) + "\n"
    for paragraph in rest:
        heading, _, body = paragraph.partition("\n")
        if heading in {"Args:", "Raises:"}:
            rows = re.split(r"\n(?=\S)", textwrap.dedent(body))
            yield f"{heading}\n\n" + "\n".join(f"- {_code(row)}" for row in map(flat, rows)) + "\n"
        else:
            yield flat(paragraph) + "\n"


def _code(row: str) -> str:
    name, _, text = row.partition(": ")
    return f"`{name}`: {text}"


def error_kinds() -> list[type[errors.TidegateError]]:
    """Every public kind of error."""
    found = [getattr(errors, name) for name in tidegate.__all__ if hasattr(errors, name)]
    return [kind for kind in found if kind is not errors.TidegateError]


def flat(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())
