"""The JSON of categories. Without `from __future__ import annotations`: pydantic reads the annotations."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from expenses.ledger.categories import DEFAULT_COLOR, LARGEST_POSITION, LONGEST_NAME, CategoryChange, CategoryDraft
from expenses.ledger.wire import Closed

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, examples=["Groceries"])]
Color = Annotated[str, Field(json_schema_extra={"pattern": "^#[0-9a-f]{6}$"}, examples=["#15803d"])]
Position = Annotated[int, Field(ge=0, le=LARGEST_POSITION, description="Order among siblings, smallest first")]


class CategoryOut(BaseModel):
    """One category; `parent_id` is null on the upper level, and there are two levels."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    parent_id: UUID | None
    name: str
    color: str
    position: int
    is_archived: bool = Field(description="Keeps its expenses, takes no new ones")


class CategoryList(BaseModel):
    """A page of the categories of a workspace, in the order of their positions."""

    items: list[CategoryOut]
    next: str | None = None


class CategoryIn(Closed):
    """A category to make."""

    name: Name
    parent_id: UUID | None = None
    color: Color = DEFAULT_COLOR
    position: Position | None = Field(default=None, description="Behind its siblings, if missing")

    def draft(self) -> CategoryDraft:
        """What it says. Raises `Invalid`."""
        return CategoryDraft(name=self.name, parent_id=self.parent_id, color=self.color, position=self.position)


class CategoryPatch(Closed):
    """What shall be different; fields that are missing stay as they are."""

    name: Name = Field(default_factory=str)
    parent_id: UUID | None = None
    color: Color = Field(default_factory=str)
    position: Position = Field(default_factory=int)

    def change(self) -> CategoryChange:
        """What it says. Raises `Invalid`."""
        said: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        return CategoryChange(**said)
