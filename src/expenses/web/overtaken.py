"""What a page says when its form was about something that is another by now, so that nothing was done.

Every form that changes or takes away what has a version carries the one that was shown (`seen` in `parts.html`, read by
`forms.version_in`); `changed_meanwhile` there shows this. That each form does: `tests.test_page_versions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STATUS: Final = 412
"""Of the answer, as `PreconditionFailed` has it in the API; htmx is told to show it."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """What happened, what is there now, and how to go on."""

    undone: str
    """What was not done, and to what: `Not saved: this expense`."""
    way_on: str
    """How to do it all the same: the page has the new version, so saying it again means it."""
    lead: str = "As it is now:"
    """Before `now`."""
    now: tuple[tuple[str, str], ...] = ()
    """What is there now, as labels and texts."""
    afresh: str | None = None
    """The address at which it stands without what was typed."""
