"""The verbs that say beforehand what a run would do: check, plan."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from tidegate.commands.options import FORMAT, X_ARGUMENTS, TakesRevision, target_options
from tidegate.report import target as targets

_NO_DATABASE = "postgresql://nowhere/nowhere"
"""Stands in for the URL when no database is needed."""


@click.command()
@target_options
@FORMAT
@X_ARGUMENTS
@click.option("--as-role", metavar="ROLE", help="The role that will migrate. [default: the one that connects]")
def check(form: str, x_arguments: tuple[str, ...], as_role: str | None, **options: Any) -> None:
    """Say go or no-go before anything is stopped: from the new image against the live database. Only reads.

    State, what the pending revisions lock and do, sizes of the tables, who is in the way, pooler, privileges, free
    connections, damage. Exit code 0 is go, pending revisions included; otherwise that of the most important no-go.
    """
    from tidegate.check import report

    found = report.check(targets.find_target(**options), as_role=as_role, x_arguments=x_arguments)
    click.echo(json.dumps(found.as_json(), indent=2) if form == "json" else found.as_text())
    sys.exit(found.exit_code)


@click.command(cls=TakesRevision)  # `+1` is a revision
@target_options
@FORMAT
@X_ARGUMENTS
@click.option("--from", "start", metavar="REV", help="Plan from this revision, or from `base`; needs no database.")
@click.argument("revision", default="head")
def plan(form: str, x_arguments: tuple[str, ...], start: str | None, revision: str, **options: Any) -> None:
    """Show the SQL of the pending revisions up to REVISION (by default the head) and what it locks. Executes nothing.

    Revisions that ask the database something cannot be rendered; for them it says so and what their file names.
    """
    from tidegate.report import plan as plan_verb

    if start is not None:
        options["database_url"] = _NO_DATABASE
    made = plan_verb.make_plan(targets.find_target(**options), revision, start, x_arguments)
    click.echo(json.dumps(made.as_json(), indent=2) if form == "json" else made.as_text())
