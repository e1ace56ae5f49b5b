"""Where the command `tidegate` begins. Only decides which half of the command line is needed.

`tidegate run -- CMD …` is paid at every start of a container, so it is understood without click, whose
import costs more than the whole rest (67 of 130 ms, measured).
"""

from __future__ import annotations

import sys

from tidegate.errors import TidegateError
from tidegate.output import complain, let_go
from tidegate.run.signals import own_process


def main() -> None:
    """The console script: exits with the codes that the manual lists."""
    own_process()
    try:
        if sys.argv[1:3] == ["run", "--"]:
            _run(sys.argv[3:])
        else:
            from tidegate.commands import main as run_command

            run_command()
    except TidegateError as exc:
        complain(exc)
        sys.exit(exc.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        let_go()


def _run(command: list[str]) -> None:
    from tidegate.report.target import find_target
    from tidegate.run.start import run

    run(command, find_target)
