"""Categories: two levels, and the set that every workspace begins with. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID, uuid5

from expenses.errors import Conflict, Invalid
from expenses.ledger.model import UNSET, Unset
from expenses.ledger.texts import check_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

LONGEST_NAME: Final = 100
"""Characters of a category's name."""

MOST_CATEGORIES: Final = 500
"""Categories in one workspace, archived ones too; every page that shows a choice loads them all."""

LARGEST_POSITION: Final = 10_000
"""Far more than siblings can be, so that somebody can number them by hundreds."""

DEFAULT_COLOR: Final = "#8b928e"
"""Of a category whose author chose none, and of what has no category."""

_COLOR = re.compile("#[0-9a-f]{6}")


class InvalidColor(Invalid):
    """A colour is written as # and six hexadecimal digits in lower case, such as #15803d."""

    code = "invalid_color"


class InvalidParent(Invalid):
    """A category can only stand below one that is itself on the upper level and not archived."""

    code = "invalid_parent"


class CategoryExists(Conflict):
    """There is already a category with this name at this place."""

    code = "category_exists"


class TooManyCategories(Conflict):
    """There are as many categories as a workspace can have."""

    code = "too_many_categories"


@dataclass(frozen=True, slots=True)
class Category:
    """One category of a workspace, on the upper level or below a category that is."""

    entity: ClassVar = "category"

    id: UUID
    parent_id: UUID | None
    name: str
    color: str
    """`#rrggbb`."""
    position: int
    """Order among its siblings, smallest first; equal ones by name."""
    archived_at: datetime | None = None
    """Archived categories keep their expenses but take no new ones."""

    def snapshot(self) -> dict[str, object]:
        """The category as plain JSON values, as the API shows it and the record of changes keeps it."""
        return {
            "id": str(self.id),
            "parent_id": str(self.parent_id) if self.parent_id else None,
            "name": self.name,
            "color": self.color,
            "position": self.position,
            "is_archived": self.archived_at is not None,
        }


@dataclass(frozen=True, slots=True)
class CategoryDraft:
    """A category that could be made. Raises `Invalid` when something in it cannot stand."""

    name: str
    parent_id: UUID | None = None
    color: str = DEFAULT_COLOR
    position: int | None = None
    """`None`: behind its siblings."""

    def __post_init__(self) -> None:
        check_text(self.name, field="name", longest=LONGEST_NAME)
        if not _COLOR.fullmatch(self.color):
            raise InvalidColor(field="color")
        if self.position is not None and not 0 <= self.position <= LARGEST_POSITION:
            raise Invalid(f"The position must be between 0 and {LARGEST_POSITION}.", field="position")


@dataclass(frozen=True, slots=True)
class CategoryChange:
    """What shall be different about a category; fields that are `UNSET` stay as they are."""

    name: str | Unset = UNSET
    parent_id: UUID | Unset | None = UNSET
    color: str | Unset = UNSET
    position: int | Unset = UNSET

    def applied_to(self, category: Category) -> CategoryDraft:
        """What the category would say afterwards. Raises `Invalid` as a `CategoryDraft` does."""
        return CategoryDraft(
            name=category.name if self.name is UNSET else self.name,
            parent_id=category.parent_id if self.parent_id is UNSET else self.parent_id,
            color=category.color if self.color is UNSET else self.color,
            position=category.position if self.position is UNSET else self.position,
        )


def placed(
    draft: CategoryDraft, *, category_id: UUID, among: list[Category], moving: Category | None = None
) -> Category:
    """The category that a draft becomes at its place in the tree.

    Args:
        draft: What it shall say.
        category_id: Its id.
        among: All categories of the workspace, archived ones too.
        moving: The category as it is now; `None` for a new one.

    Raises:
        InvalidParent: The parent is unknown, archived, itself below another, or the category has some below it.
        CategoryExists: A sibling that is not archived has this name already, in whatever case.
        TooManyCategories: There is no room for a new one.
    """
    if draft.parent_id is not None:
        parent = next((each for each in among if each.id == draft.parent_id and each.archived_at is None), None)
        has_children = any(each.parent_id == category_id for each in among)
        if parent is None or parent.parent_id is not None or parent == moving or has_children:
            raise InvalidParent(field="parent_id")
    siblings = [each for each in among if each.parent_id == draft.parent_id and each.archived_at is None]
    if any(each.name.lower() == draft.name.lower() for each in siblings if each != moving):
        raise CategoryExists(field="name")
    if moving is None and len(among) >= MOST_CATEGORIES:
        raise TooManyCategories
    position = max((each.position for each in siblings), default=0) + 1 if draft.position is None else draft.position
    return Category(category_id, draft.parent_id, draft.name, draft.color, min(position, LARGEST_POSITION))


DEFAULTS: Final = """
#4b8f3c Groceries
#c06436 Eating out: Restaurants, Coffee, Takeaway
#4f6fc9 Home: Rent, Electricity and heating, Internet and phone, Furniture, Repairs
#2b86b8 Transport: Public transport, Fuel, Car, Taxi, Bicycle
#c4496e Health: Pharmacy, Doctor, Sport
#9a529e Leisure: Books and media, Cinema and concerts, Subscriptions, Hobbies
#8a7047 Clothing
#a87f1f Children: School, Childcare, Toys
#5f7d8c Insurance and fees: Insurance, Bank fees, Taxes
#2f8272 Travel: Flights and trains, Accommodation, Sights
#b4574a Gifts and donations
#6f6a9e Work: Office supplies, Software, Training
"""
"""What a workspace begins with: colour, name, names below it. A changed line reaches new workspaces only.

Each colour has a contrast of at least 3:1 to a white and to a nearly black page (WCAG 2.2, 1.4.11).
"""


def default_categories(workspace_id: UUID) -> Iterator[Category]:
    """The categories that a workspace begins with, parents first.

    Their ids follow from workspace and name, so that two requests that make them at once make the same rows.
    """
    for position, line in enumerate(DEFAULTS.strip().splitlines(), start=1):
        color, rest = line.split(" ", 1)
        name, _, below = rest.partition(": ")
        parent = Category(uuid5(workspace_id, name), None, name, color, position)
        yield parent
        for place, child in enumerate(below.split(", ") if below else (), start=1):
            yield Category(uuid5(workspace_id, f"{name}/{child}"), parent.id, child, color, place)
