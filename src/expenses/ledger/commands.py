"""`expenses purge-trash`: what the operator lets run every night."""

from __future__ import annotations

from datetime import timedelta

import click

from expenses.console import connected, operator_settings


@click.command("purge-trash")
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(min=0, max=36_500),
    default=30,
    show_default=True,
    help="Days that something stays in the trash.",
)
def purge_trash(days: int) -> None:
    """Delete for ever what has been in the trash for longer.

    In all workspaces, some hundred expenses at a time, so it may run while the service does and be stopped at any
    moment. The record of changes keeps what each was. Nothing runs by itself: let cron or a timer call it.
    """
    import asyncio  # noqa: PLC0415 - `--help` does not wait for it

    purged = asyncio.run(_purge(timedelta(days=days)))
    click.echo(f"Deleted {purged:,} expense{'' if purged == 1 else 's'} that had been in the trash for {days} days")


async def _purge(kept_for: timedelta) -> int:
    from expenses.http import utc_now  # noqa: PLC0415 - `--help` does not wait for it
    from expenses.ledger.trash_service import purge_old_trash  # noqa: PLC0415 - same

    async with connected(operator_settings()) as session:
        return await purge_old_trash(session, kept_for=kept_for, now=utc_now())
