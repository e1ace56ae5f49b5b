"""`make rights`: writes docs/rights.md from the matrix that the service checks. A test compares the page with it."""

from __future__ import annotations

from pathlib import Path

from expenses.workspaces.model import ROLES
from expenses.workspaces.rights import Action, Right

PAGE = Path(__file__).resolve().parent.parent / "docs" / "rights.md"

_HEAD = """\
# Who may do what

Made from `src/expenses/workspaces/rights.py` by `make rights`; a test fails when it is stale. The same matrix is what
the service checks, what OpenAPI says (`x-action`, `x-roles`, `x-scope`), and what the tests try on every route.

Whoever does not belong to a workspace is told 404 whatever they ask, as if there were none. A member whose role does
not allow something is told 403 (`forbidden`), a token without the scope too (`insufficient_scope`). Sessions of pages
have every scope.
"""

_FOOT = """
## Members

What no table of roles can say, because it depends on whom it is done to:

- A workspace always has an owner: the last one can neither leave nor be removed or be given a lesser role, only hand it
  over. Of two owners who leave at the same moment one stays.
- Nobody gives a role above their own, and nobody is invited as an owner: ownership is given to members.
- Owners may touch everybody, admins only those below them: neither owners nor other admins.
- An invitation ends with the right of who made it: when they leave, are removed, or are an admin no more.
- Who has left keeps the name on what they paid.
"""


def page() -> str:
    """The whole page."""
    head = f"| action | {' | '.join(ROLES)} | token's scope |\n| --- |{' :---: |' * len(ROLES)} --- |"
    return "\n".join([_HEAD, head, *(_row(action.value) for action in Action), _FOOT])


def _row(right: Right) -> str:
    marks = " | ".join("yes" if role in right.roles else "no" for role in ROLES)
    return f"| {right.what} | {marks} | `{right.scope}` |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
