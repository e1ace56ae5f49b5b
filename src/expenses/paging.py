"""How a route asks for a page of a list: `limit` and `cursor`. What a cursor is: `expenses.cursor`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

Cursor = Annotated[str | None, Query(description="`next` of the page before, with the same filter")]


def up_to(most: int, *, otherwise: int | None = None) -> Any:  # noqa: ANN401 - what FastAPI gives, for `Annotated`
    """What bounds a `limit`. If nobody says one, a page has `otherwise` rows, or as many as it may."""
    return Query(ge=1, le=most, description=f"Rows on one page; {otherwise or most} if missing")
