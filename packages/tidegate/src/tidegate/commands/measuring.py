"""The verb that measures: metrics."""

from __future__ import annotations

from typing import Any

import click

from tidegate.commands.options import place_options
from tidegate.output import tell
from tidegate.report import target as targets


@click.command()
@place_options
@click.option("--output", metavar="FILE", help="Write there at once and whole, for node_exporter's textfile collector.")
@click.option("--timeout", metavar="TIME", default="5s", show_default=True, help="Longest wait for the database.")
def metrics(output: str | None, timeout: str, **options: Any) -> None:
    """Print the state, the pending revisions and the last run as Prometheus reads them.

    A database that does not answer is `tidegate_up 0`, and exit code 12 or 13.
    """
    from tidegate.report.metrics import scrape, write_file

    target = targets.find_target(**options, wait_for_db=timeout)
    found = scrape(target, tell)
    text = found.as_text(str(target.database))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_file(output, text)
    if found.error is not None:
        raise found.error
