"""The verbs that only look: status, wait, history."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from tidegate.commands.options import FORMAT, target_options
from tidegate.output import tell
from tidegate.report import target as targets
from tidegate.report.duration import parse_duration, parse_moment

OUTCOMES = ("succeeded", "failed", "interrupted", "killed", "running")
"""How a run can have ended; the last has not."""


@click.command()
@target_options
@FORMAT
def status(form: str, **options: Any) -> None:
    """Show the state, the pending revisions in order, who holds the lock, and damage. The exit code is the state's."""
    from tidegate.report import status as status_verb

    seen = status_verb.read_status(targets.find_target(**options))
    click.echo(json.dumps(seen.as_json(), indent=2) if form == "json" else seen.as_text())
    sys.exit(seen.judgement.exit_code)


@click.command()
@target_options
@click.option("--timeout", metavar="TIME", default="60s", show_default=True, help="Longest wait.")
@click.option("--for-schema", is_flag=True, help="Wait also until the schema is one that this code can serve on.")
def wait(timeout: str, for_schema: bool, **options: Any) -> None:  # noqa: FBT001 - click passes options by name
    """Wait until the database answers. A database that refuses (wrong password, no such database) ends the wait."""
    from tidegate.report.waiting import wait_for_database, wait_for_schema

    seconds = parse_duration(timeout, "--timeout")
    found = targets.find_target(**options)
    (wait_for_schema if for_schema else wait_for_database)(found, seconds, tell)


@click.command()
@target_options
@FORMAT
@click.option("--run", metavar="N", type=click.IntRange(1), help="One run, with all that is known of it.")
@click.option("--revision", metavar="ID", help="Only runs that applied it, took it back or failed at it.")
@click.option(
    "--since", metavar="WHEN", help="Only runs that began since then: `2026-11-22`, `2026-11-22T20:30`, `7d`."
)
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only runs that ended so.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many runs at most.")
def history(form: str, limit: int, outcome: str | None, since: str | None, **options: Any) -> None:
    """Show the runs and what each applied, newest first. The record stays when everything is downgraded."""
    from tidegate.report.history import Wanted, read_history

    moment = parse_moment(since, "--since") if since else None
    wanted = Wanted(limit, outcome, moment, options.pop("revision"), options.pop("run"))
    runs = read_history(targets.find_target(**options), wanted)
    click.echo(json.dumps(runs.as_json(), indent=2) if form == "json" else runs.as_text())
