"""`expenses load-rates`: what an operator's timer runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from expenses.console import REFUSED, USAGE, CommandFailed, connected, operator_settings

if TYPE_CHECKING:
    from uuid import UUID


@click.command("load-rates")
@click.argument("file", type=click.File("rb", lazy=False))
@click.option("--workspace", type=click.UUID, required=True, help="The workspace whose rates these are.")
@click.option("--source", default="ECB", show_default=True, help="Where the rates are from.")
def load_rates(file: BinaryIO, workspace: UUID, source: str) -> None:
    """Load a file of exchange rates in the ECB's CSV format (`eurofxref-hist.csv`); `-` is standard input.

    All or nothing. Rates that were entered by hand stay as they are. Expenses that are converted stay as they are too.
    """
    import asyncio  # noqa: PLC0415 - `--help` does not wait for it

    rates, changed = asyncio.run(_load(file.read(), workspace, source))
    click.echo(f"Loaded {rates:,} rates, {changed:,} of them new or other than before.")


async def _load(content: bytes, workspace: UUID, source: str) -> tuple[int, int]:
    from expenses.errors import Invalid, NotFound  # noqa: PLC0415 - `--help` does not wait for it
    from expenses.http import utc_now  # noqa: PLC0415 - same
    from expenses.rates import service  # noqa: PLC0415 - same

    async with connected(operator_settings()) as session:
        try:
            return await service.load_rates(
                session, workspace_id=workspace, actor_id=None, content=content, source=source, now=utc_now()
            )
        except Invalid as exc:
            raise CommandFailed(
                exc.detail.rstrip("."), "correct these lines, and load the file again", REFUSED
            ) from exc
        except NotFound as exc:
            hint = "`expenses verify` lists all workspaces"
            raise CommandFailed(f"there is no workspace {workspace}", hint, USAGE) from exc
