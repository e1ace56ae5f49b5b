"""The verb that finds damage and mends it."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from tidegate.commands.options import FORMAT, target_options
from tidegate.errors import UsageError
from tidegate.output import tell
from tidegate.report import target as targets
from tidegate.report.duration import parse_duration


@click.command()
@target_options
@FORMAT
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, with the migration lock held.")
@click.option(
    "--accept",
    multiple=True,
    metavar="REV",
    help="Put the file of an applied revision on record as it is now; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="With `--fix`: show what it would execute, and execute nothing.")
@click.option(
    "--older-than",
    metavar="TIME",
    default="5m",
    show_default=True,
    help="Note idle and prepared transactions from this age on.",
)
def doctor(form: str, fix: bool, accept: tuple[str, ...], dry_run: bool, older_than: str, **options: Any) -> None:  # noqa: FBT001 - click passes options by name
    """Find what earlier runs, hands and crashes left behind, each with the command that mends it.

    Without `--fix` and `--accept` it only reads. Exit codes: 0 no damage (notes do not count), 15 damage is
    there, or still there after `--fix`; 11 a run is on, so that nothing can be mended now.
    """
    from tidegate.doctor.examination import examine
    from tidegate.doctor.report import Report

    if dry_run and (accept or not fix):
        raise UsageError("`--dry-run` shows what `--fix` would execute", hint="`tidegate doctor --fix --dry-run`")
    older_than_s = parse_duration(older_than, "--older-than")
    found = targets.find_target(**options)
    if dry_run or not (fix or accept):
        report = Report(examine(found, older_than_s=older_than_s), [], is_dry=dry_run)
    else:
        from tidegate.doctor.mending import mend

        mending = mend(found, older_than_s=older_than_s, accept=accept, fix=fix, tell=tell)
        report = Report(mending.left, mending.done)
    click.echo(json.dumps(report.as_json(), indent=2) if form == "json" else report.as_text())
    sys.exit(report.exit_code)
