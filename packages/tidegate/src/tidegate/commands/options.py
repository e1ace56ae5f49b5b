"""Options that several verbs share: where the project and its database are, how long to wait, which form of output."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from tidegate.report import target as targets
from tidegate.run.pace import RETRY_ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable


class TakesRevision(click.Command):
    """A verb whose argument may be `-1`: click lets unknown options through then, and the misspelled ones end here."""

    ignore_unknown_options = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse a long option that the verb does not have, before it is taken for a revision."""
        known = {name for option in self.get_params(ctx) for name in option.opts}
        before_dashes = args[: args.index("--")] if "--" in args else args
        for name in (word.partition("=")[0] for word in before_dashes if word.startswith("--")):
            if name not in known:
                raise click.NoSuchOption(name, possibilities=get_close_matches(name, known), ctx=ctx)
        return super().parse_args(ctx, args)


FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people or JSON for scripts, on standard output.",
)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the project and its database are, which every verb needs."""
    for option in (
        click.option("--database-url", metavar="URL", help="The database (env: TIDEGATE_DATABASE_URL, DATABASE_URL)."),
        click.option("--name", "-n", "section", default="alembic", show_default=True, help="Section of the file."),
        click.option(
            "--config",
            "-c",
            metavar="FILE",
            help=f"Alembic's configuration file (env: TIDEGATE_CONFIG). [default: {targets.DEFAULT_CONFIG}]",
        ),
    ):
        command = option(command)
    return command


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What `find_target` needs in nearly every verb."""
    return click.option(
        "--wait-for-db",
        metavar="TIME",
        help="Longest wait for the database to come up (env: TIDEGATE_WAIT_FOR_DB). "
        f"[default: {targets.DEFAULT_WAIT_FOR_DB}]",
    )(place_options(command))


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What `find_target` needs beside them in the verbs that migrate. The last one here is the first in the help."""
    for option in (
        click.option(
            "--retry-attempts",
            metavar="N",
            help=f"How many attempts in that time at most (env: TIDEGATE_RETRY_ATTEMPTS). [default: {RETRY_ATTEMPTS}]",
        ),
        click.option(
            "--retry-for",
            metavar="TIME",
            help="How long to go on when others hold the locks, each time with the whole revision "
            "(env: TIDEGATE_RETRY_FOR). [default: 10m]",
        ),
        click.option(
            "--lock-timeout-max",
            metavar="TIME",
            help="What the lock timeout may grow to, attempt by attempt (env: TIDEGATE_LOCK_TIMEOUT_MAX). "
            "[default: as --lock-timeout]",
        ),
        click.option(
            "--lock-timeout",
            metavar="TIME",
            help="Longest wait of a statement for a lock, and of the application behind it; 0 is no limit "
            "(env: TIDEGATE_LOCK_TIMEOUT). [default: 100ms]",
        ),
        click.option(
            "--lock-wait",
            metavar="TIME",
            help=f"Longest wait for another run (env: TIDEGATE_LOCK_WAIT). [default: {targets.DEFAULT_LOCK_WAIT}]",
        ),
        click.option(
            "--before-timeout",
            metavar="TIME",
            help="Longest time for that command (env: TIDEGATE_BEFORE_TIMEOUT). "
            f"[default: {targets.DEFAULT_BEFORE_TIMEOUT}]",
        ),
        click.option(
            "--before",
            metavar="CMD",
            help="A shell command, such as a backup, that must succeed before the first statement. It runs only if "
            "there is something to do, and gets the database as PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE "
            "(env: TIDEGATE_BEFORE).",
        ),
    ):
        command = option(command)
    return command


X_ARGUMENTS = click.option(
    "-x", "x_arguments", multiple=True, metavar="NAME=VALUE", help="Passed on to `env.py` as Alembic's -x."
)
