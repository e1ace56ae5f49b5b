"""Examples for the API's description, made from its own schemas, so that none is missing and none is out of date.

A field's own `examples` come first; else the name and the form of a field say what it may look like.
"""

from __future__ import annotations

from typing import Any

_BY_NAME = {
    "currency": "EUR",
    "base_currency": "EUR",
    "email": "anna@example.org",
    "display_name": "Anna",
    "name": "Food",
    "merchant": "Corner Bakery",
    "note": "for the party",
    "value": "12.50",
    "password": "correct horse battery staple",
    "time_zone": "Europe/Berlin",
    "month": "2026-11",
    "source": "ECB",
    "rate": "1.0843",
    "tag": "holiday",
    "grant_type": "password",
    "username": "anna@example.org",
    "scope": "read write",
    "client_id": "import script",
}

_BY_MODEL = {
    "ExpenseIn": {
        "spent_on": "2026-11-22",
        "merchant": "Corner Bakery",
        "amount": {"value": "12.50", "currency": "EUR"},
        "note": "for the party",
        "tags": ["holiday"],
    },
    "ExpensePatch": {"note": "for the party"},
}
"""Requests whose fields do not all go together."""

_BY_FORMAT = {
    "uuid": "01a20320-a200-7000-8cc3-c37249cf019f",
    "date": "2026-11-22",
    "date-time": "2026-11-22T12:00:00Z",
    "uri": "https://example.org/",
}

_NO_EXAMPLE_YET = "text"

_DEEPEST = 24
"""Levels of references and lists: what holds itself, such as a tree, ends there."""


def example_of(schema: dict[str, Any], components: dict[str, Any], *, name: str = "", depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """A value that this JSON schema describes; an object has all its properties."""
    if "$ref" in schema:
        model = schema["$ref"].rpartition("/")[2]
        return _BY_MODEL.get(model) or example_of(components[model], components, name=name, depth=depth + 1)
    for word in ("examples", "enum"):
        if schema.get(word):
            return schema[word][0]
    for word in ("example", "const"):
        if word in schema:
            return schema[word]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return example_of(schema[word][0], components, name=name, depth=depth + 1)
    return _of_type(schema, components, name=name, depth=depth)


def _of_type(schema: dict[str, Any], components: dict[str, Any], *, name: str, depth: int) -> Any:  # noqa: ANN401 - JSON
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {key: example_of(each, components, name=key, depth=depth + 1) for key, each in properties.items()}
    if kind == "array":
        if depth > _DEEPEST or "items" not in schema:
            return []
        one = example_of(schema["items"], components, name=name.removesuffix("s"), depth=depth + 1)
        return [one] * schema.get("minItems", 1)
    if kind == "string":
        return _BY_FORMAT.get(schema.get("format", "")) or _text(schema, name)
    others = {"integer": max(1, schema.get("minimum", 1)), "number": 1.5, "boolean": True, "null": None}
    return schema.get("default", others.get(str(kind), {}))


def _text(schema: dict[str, Any], name: str) -> str:
    said = schema.get("default") or _BY_NAME.get(name, _NO_EXAMPLE_YET)
    return str(said).ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
