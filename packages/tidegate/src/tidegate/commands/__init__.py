"""The command line, by click: a module for each kind of verb. What a verb does stands elsewhere.

A new verb is a `click.command()` in a module of its own and its name in `VERBS`.
"""

from __future__ import annotations

import sys

import click

from tidegate.commands.doctor import doctor
from tidegate.commands.foretelling import check, plan
from tidegate.commands.looking import history, status, wait
from tidegate.commands.measuring import metrics
from tidegate.commands.migrating import downgrade, run, upgrade
from tidegate.errors import UsageError

VERBS = (
    run,
    upgrade,
    downgrade,
    check,
    plan,
    status,
    wait,
    history,
    metrics,
    doctor,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="tidegate", message="%(prog)s %(version)s")
def tidegate() -> None:
    """Migrations of an Alembic project, run when you say so, by one process, and never in the application's way.

    Lengths of time are written `30s`, `5m` or `1h30m`. Exit codes: 0 done; 3 behind, 4 ahead, 5 incompatible,
    6 diverged, 7 empty, 8 unknown (`status`); 10 a migration failed, 11 the lock is busy, 12 no database,
    13 the database refuses, 14 a transaction pooler is in the way, 15 damage, 64 usage or configuration.
    """


for _verb in VERBS:
    tidegate.add_command(_verb)


def main() -> None:
    """Understand the command line and carry it out; what click cannot understand is a usage error (64), not its 2."""
    try:
        code = tidegate(prog_name="tidegate", standalone_mode=False)
    except click.ClickException as exc:
        context = getattr(exc, "ctx", None)
        if context and exc.format_message() == context.get_help():  # a bare `tidegate`
            click.echo(exc.format_message(), err=True)
            sys.exit(UsageError.exit_code)
        help_command = f"{context.command_path} --help" if context else "tidegate --help"
        raise UsageError(exc.format_message().rstrip("."), hint=f"see `{help_command}`") from exc
    except click.Abort:
        sys.exit(130)
    sys.exit(code or 0)
