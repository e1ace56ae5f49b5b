"""How we speak: progress and errors on standard error, results on standard output."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.errors import TidegateError


def tell(line: str) -> None:
    """One line of progress. Begins with our name, since it stands among the lines of others in a container's log."""
    with suppress(OSError):  # a terminal that was closed must not stop a migration
        sys.stderr.write(f"tidegate: {line}\n")
        sys.stderr.flush()


def complain(error: TidegateError) -> None:
    """An error and its hint. Who words an error leaves passwords out; what files and drivers say is cleared here."""
    from tidegate.database.url import redact

    error.message = redact(error.message)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.write(error.render() + "\n")
        sys.stderr.flush()


def let_go() -> None:
    """Leave nothing for Python to write at the end of the process: where nobody reads, it would exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
