"""How we speak: progress and errors on standard error, results on standard output."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.errors import TidegateError


def tell(line: str) -> None:
    """One line of progress. Begins with our name, since it stands among the lines of others in a container's log."""
    sys.stderr.write(f"tidegate: {line}\n")
    sys.stderr.flush()


def complain(error: TidegateError) -> None:
    """An error and its hint."""
    sys.stdout.flush()
    sys.stderr.write(error.render() + "\n")
    sys.stderr.flush()
