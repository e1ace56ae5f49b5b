"""Categories in the order in which people read them: each one on the upper level, then those below it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from uuid import UUID

    from expenses.ledger.categories import Category

INDENT = "\N{EM SPACE}"
"""Before a name on the lower level, in a list of choices; browsers skip it when somebody types the first letters."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a list of choices."""

    id: UUID
    label: str


def in_reading_order(categories: Iterable[Category]) -> Iterator[Category]:
    """Parents by position, each followed by its children; a child whose parent is not among them stands alone, last."""
    ordered = sorted(categories, key=lambda each: (each.position, each.name))
    known = {each.id for each in ordered}
    for parent in (each for each in ordered if each.parent_id is None):
        yield parent
        yield from (each for each in ordered if each.parent_id == parent.id)
    yield from (each for each in ordered if each.parent_id is not None and each.parent_id not in known)


def choices(categories: Sequence[Category], *, keep: Collection[str] = ()) -> list[Choice]:
    """What can be chosen: all that are not archived, and those whose ids are in `keep` even if they are."""
    wanted = [each for each in categories if each.archived_at is None or str(each.id) in keep]
    return [Choice(each.id, (INDENT if each.parent_id else "") + each.name) for each in in_reading_order(wanted)]
