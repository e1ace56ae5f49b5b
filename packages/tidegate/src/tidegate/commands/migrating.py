"""The verbs that change the schema: run, upgrade, downgrade."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from tidegate.commands.options import X_ARGUMENTS, TakesRevision, run_options, target_options
from tidegate.output import tell
from tidegate.report import target as targets

if TYPE_CHECKING:
    from tidegate.report.target import Target


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@target_options
@run_options
@click.option(
    "--health-port",
    metavar="PORT",
    help="While waiting or migrating, answer probes here: 200 on `/livez` and `/health`, 503 on everything else; free "
    "again before CMD starts (env: TIDEGATE_HEALTH_PORT).",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD …")
def run(command: tuple[str, ...], health_port: str | None, **options: Any) -> None:
    """Migrate if `RUN_MIGRATIONS` says so, then become CMD. For the entrypoint of a container.

    `RUN_MIGRATIONS` is true/1/yes/on or false/0/no/off in any case; unset is false; anything else is an
    error (64). If a migration fails, CMD is not started.
    """
    from tidegate.run.start import run as run_verb

    run_verb(command, lambda: targets.find_target(**options), health_port)


@click.command(cls=TakesRevision)  # `-1` and `+1` are revisions
@target_options
@run_options
@X_ARGUMENTS
@click.argument("revision", default="head")
def upgrade(revision: str, x_arguments: tuple[str, ...], **options: Any) -> None:
    """Upgrade the database to REVISION (by default the head), guarded. Nothing to do is a success."""
    _migrate(targets.find_target(**options), "upgrade", revision, x_arguments)


@click.command(cls=TakesRevision)  # `-1` and `+1` are revisions
@target_options
@run_options
@X_ARGUMENTS
@click.option(
    "--yes",
    is_flag=True,
    help="Go on although rows will be lost, or may be; without it such a downgrade lists them and changes nothing "
    "(env: TIDEGATE_YES).",
)
@click.argument("revision")
def downgrade(revision: str, x_arguments: tuple[str, ...], yes: bool, **options: Any) -> None:  # noqa: FBT001 - click passes options by name
    """Take the database back to REVISION, guarded. What a revision dropped or deleted does not come back."""
    from tidegate.run.switch import read_switch

    is_confirmed = yes or read_switch(os.environ, targets.YES_VARIABLE)
    _migrate(targets.find_target(**options), "downgrade", revision, x_arguments, is_confirmed=is_confirmed)


def _migrate(
    target: Target, direction: str, revision: str, x_arguments: tuple[str, ...], *, is_confirmed: bool = False
) -> None:
    from tidegate.run.runner import migrate

    command = f"tidegate {direction}" + ("" if revision == "head" else f" {revision}") + " --yes" * is_confirmed
    request = target.request(
        command, direction=direction, target=revision, x_arguments=x_arguments, is_confirmed=is_confirmed
    )
    after = migrate(request, tell=tell)
    click.echo(f"{after.state}: the database is at {', '.join(after.current) or 'no revision'}")
