"""The command line, by click: options, help and output of every verb. What a verb does stands elsewhere."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from tidegate import target as targets
from tidegate.duration import parse_duration
from tidegate.errors import UsageError
from tidegate.output import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.target import Target

_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people or JSON for scripts, on standard output.",
)


def _target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--database-url", metavar="URL", help="The database (env: TIDEGATE_DATABASE_URL, DATABASE_URL)."),
        click.option("--name", "-n", "section", default="alembic", show_default=True, help="Section of the file."),
        click.option(
            "--config",
            "-c",
            metavar="FILE",
            help=f"Alembic's configuration file (env: TIDEGATE_CONFIG). [default: {targets.DEFAULT_CONFIG}]",
        ),
        click.option(
            "--wait-for-db",
            metavar="TIME",
            help="Longest wait for the database to come up (env: TIDEGATE_WAIT_FOR_DB). "
            f"[default: {targets.DEFAULT_WAIT_FOR_DB}]",
        ),
    ):
        command = option(command)
    return command


def _lock_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--lock-wait",
        metavar="TIME",
        help=f"Longest wait for another run (env: TIDEGATE_LOCK_WAIT). [default: {targets.DEFAULT_LOCK_WAIT}]",
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="tidegate", message="%(prog)s %(version)s")
def tidegate() -> None:
    """Migrations of an Alembic project, run when you say so, by one process, and never in the application's way.

    Lengths of time are written `30s`, `5m` or `1h30m`. Exit codes: 0 done; 3 behind, 4 ahead, 5 incompatible,
    6 diverged, 7 empty, 8 unknown (`status`); 10 a migration failed, 11 the lock is busy, 12 no database,
    13 the database refuses, 14 a transaction pooler is in the way, 64 usage or configuration.
    """


@tidegate.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_target_options
@_lock_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD …")
def run_command(command: tuple[str, ...], **options: Any) -> None:
    """Migrate if `RUN_MIGRATIONS` says so, then become CMD. For the entrypoint of a container.

    `RUN_MIGRATIONS` is true/1/yes/on or false/0/no/off in any case; unset is false; anything else is an
    error (64). If a migration fails, CMD is not started.
    """
    from tidegate.start import run

    run(command, lambda: targets.find_target(**options))


@tidegate.command(context_settings={"ignore_unknown_options": True})  # `-1` and `+1` are revisions
@_target_options
@_lock_option
@click.option("-x", "x_arguments", multiple=True, metavar="NAME=VALUE", help="Passed on to `env.py` as Alembic's -x.")
@click.argument("revision", default="head")
def upgrade(revision: str, x_arguments: tuple[str, ...], **options: Any) -> None:
    """Upgrade the database to REVISION (by default the head), guarded. Nothing to do is a success."""
    _migrate(targets.find_target(**options), "upgrade", revision, x_arguments)


@tidegate.command(context_settings={"ignore_unknown_options": True})  # `-1` and `+1` are revisions
@_target_options
@_lock_option
@click.option("-x", "x_arguments", multiple=True, metavar="NAME=VALUE", help="Passed on to `env.py` as Alembic's -x.")
@click.argument("revision")
def downgrade(revision: str, x_arguments: tuple[str, ...], **options: Any) -> None:
    """Take the database back to REVISION, guarded. What a revision dropped or deleted does not come back."""
    _migrate(targets.find_target(**options), "downgrade", revision, x_arguments)


@tidegate.command()
@_target_options
@_FORMAT
def status(form: str, **options: Any) -> None:
    """Show the state, the pending revisions in order, who holds the lock, and damage. The exit code is the state's."""
    from tidegate import status as status_verb

    seen = status_verb.read_status(targets.find_target(**options))
    click.echo(json.dumps(seen.as_json(), indent=2) if form == "json" else seen.as_text())
    sys.exit(seen.judgement.exit_code)


@tidegate.command()
@_target_options
@click.option("--timeout", metavar="TIME", default="60s", show_default=True, help="Longest wait.")
@click.option("--for-schema", is_flag=True, help="Wait also until the schema is one that this code can serve on.")
def wait(timeout: str, for_schema: bool, **options: Any) -> None:  # noqa: FBT001 - click passes options by name
    """Wait until the database answers. A database that refuses (wrong password, no such database) ends the wait."""
    from tidegate.waiting import wait_for_database, wait_for_schema

    seconds = parse_duration(timeout, "--timeout")
    found = targets.find_target(**options)
    (wait_for_schema if for_schema else wait_for_database)(found, seconds, tell)


@tidegate.command()
@_target_options
@_FORMAT
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many runs.")
def history(form: str, limit: int, **options: Any) -> None:
    """Show the runs and what each applied, newest first."""
    from tidegate import history as history_verb

    runs = history_verb.read_history(targets.find_target(**options), limit)
    click.echo(json.dumps(runs.as_json(), indent=2) if form == "json" else runs.as_text())


def _migrate(target: Target, direction: str, revision: str, x_arguments: tuple[str, ...]) -> None:
    from tidegate.runner import migrate

    command = f"tidegate {direction}" + ("" if revision == "head" else f" {revision}")
    request = target.request(command, direction=direction, target=revision, x_arguments=x_arguments)
    after = migrate(request, tell=tell)
    click.echo(f"{after.state}: the database is at {', '.join(after.current) or 'no revision'}")


def main() -> None:
    """Understand the command line and carry it out; what click cannot understand is a usage error (64), not its 2."""
    try:
        code = tidegate(prog_name="tidegate", standalone_mode=False)
    except click.ClickException as exc:
        context = getattr(exc, "ctx", None)
        help_command = f"{context.command_path} --help" if context else "tidegate --help"
        raise UsageError(exc.format_message().rstrip("."), hint=f"see `{help_command}`") from exc
    except click.Abort:
        sys.exit(130)
    sys.exit(code or 0)
