"""`expenses`: what an operator does from the command line. Loads the service only once a command really runs.

Exit codes: 0 done · 1 refused · 12 database not reachable · 13 database refuses us · 64 usage or configuration.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from expenses.accounts.commands import read_password, reset_password, reset_second_factor
from expenses.console import REFUSED, USAGE, CommandFailed, as_clause, connected, operator_settings
from expenses.history.commands import verify
from expenses.ledger.commands import purge_trash
from expenses.rates.commands import load_rates

if TYPE_CHECKING:
    from expenses.config import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(package_name="expenses")
def cli() -> None:
    """Run an expense service: what cannot be done in the browser."""


cli.add_command(verify)
cli.add_command(purge_trash)
cli.add_command(reset_password)
cli.add_command(reset_second_factor)
cli.add_command(load_rates)


@cli.command("create-user")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the password from the first line of this file.",
)
@click.option("--name", help="Name that others see.  [default: what stands before the @]")
@click.option("--workspace", default="Home", show_default=True, help="Name of the workspace that the account owns.")
def create_user(email: str, password_stdin: bool, password_file: Path | None, name: str | None, workspace: str) -> None:  # noqa: FBT001 - click passes options by name
    """Make an account with a workspace of its own, whatever REGISTRATION says.

    Asks for the password when run on a terminal. It is never an argument: arguments are visible to everybody on the
    machine. The database is found as the service finds it (env: DATABASE_URL or POSTGRES_*).
    """
    import asyncio  # noqa: PLC0415 - `--help` does not wait for it

    settings = operator_settings()
    password = read_password(from_stdin=password_stdin, file=password_file)
    made = asyncio.run(_sign_up(settings, email=email, password=password, name=name, workspace=workspace))
    click.echo(f"Created the account {made} with the workspace {workspace.strip()}.")


@cli.command("load-sample")
def load_sample() -> None:
    """Make a demo account with a year of sample expenses, once.

    Its password is known to everybody and printed, so this is for a machine of your own. The database is found as
    the service finds it (env: DATABASE_URL or POSTGRES_*).
    """
    import asyncio  # noqa: PLC0415 - `--help` does not wait for it

    from expenses.sample import DEMO_EMAIL, DEMO_PASSWORD  # noqa: PLC0415 - same

    loaded = asyncio.run(_load_sample(operator_settings()))
    what = f"Recorded {loaded} sample expenses" if loaded else "The sample expenses are there already"
    click.echo(f"{what}; sign in as {DEMO_EMAIL} with the password {DEMO_PASSWORD}")


def main() -> None:
    """The entry point: like click's own, but with errors as the rest of this project writes them."""
    try:
        code = cli.main(prog_name="expenses", standalone_mode=False)
    except CommandFailed as failed:
        code = _report(failed)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        command = context.command_path if context else "expenses"
        code = _report(CommandFailed(as_clause(error.format_message()), f"see `{command} --help`", USAGE))
    except click.Abort:
        code = _report(CommandFailed("aborted, nothing was changed", "run the command again", REFUSED))
    sys.exit(code if isinstance(code, int) else 0)


def _report(failed: CommandFailed) -> int:
    click.echo(f"error: {failed.what}\n\nhint: {failed.hint}", err=True)
    return failed.exit_code


async def _sign_up(settings: Settings, *, email: str, password: str, name: str | None, workspace: str) -> str:
    from expenses.errors import ServiceError  # noqa: PLC0415 - `--help` does not wait for it
    from expenses.http import utc_now  # noqa: PLC0415 - same
    from expenses.workspaces.service import sign_up  # noqa: PLC0415 - same

    async with connected(settings) as session:
        try:
            user, _ = await sign_up(
                session, email=email, password=password, display_name=name, workspace_name=workspace, now=utc_now()
            )
        except ServiceError as exc:
            hint = "choose another one, or let its owner sign in" if exc.status == 409 else f"correct `{exc.field}`"
            raise CommandFailed(as_clause(exc.detail), hint, REFUSED) from exc
    return user.email


async def _load_sample(settings: Settings) -> int:
    from expenses.http import utc_now  # noqa: PLC0415 - `--help` does not wait for it
    from expenses.sample import load_sample  # noqa: PLC0415 - same

    async with connected(settings) as session:
        return await load_sample(session, now=utc_now())
