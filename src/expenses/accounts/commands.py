"""`expenses reset-password` and `reset-second-factor`: the way back in for those who have lost theirs."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from expenses.console import REFUSED, USAGE, CommandFailed, as_clause, connected, operator_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from expenses.config import Settings

_Result = TypeVar("_Result")


@click.command("reset-password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the new password from the first line of standard input.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the new password from the first line of this file.",
)
@click.option("--yes", is_flag=True, help="Do not ask whether you mean it.")
def reset_password(email: str, password_stdin: bool, password_file: Path | None, yes: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Give somebody who has lost their password a new one.

    That signs them out everywhere and ends their API tokens. The second factor stays on: `reset-second-factor` turns
    it off. Both are on the account's own record.
    """
    import asyncio  # noqa: PLC0415 - `--help` does not wait for it

    from expenses.accounts import profile_service  # noqa: PLC0415 - same

    settings = operator_settings()
    _confirm(f"Give {email} a new password, and end all their sessions and API tokens?", yes=yes)
    password = read_password(from_stdin=password_stdin, file=password_file)
    work = functools.partial(profile_service.reset_password, email=email, password=password)
    done = asyncio.run(_on_account(settings, work))
    click.echo(f"{done.email} has the new password; all sessions and API tokens of theirs have ended.")


@click.command("reset-second-factor")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask whether you mean it.")
def reset_second_factor(email: str, yes: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Turn off the second factor of somebody who has lost the phone and the recovery codes.

    From then on the password alone lets them in, and whoever else knows it: be sure who is asking.
    """
    import asyncio  # noqa: PLC0415 - `--help` does not wait for it

    from expenses.accounts import factor_service  # noqa: PLC0415 - same

    settings = operator_settings()
    _confirm(f"Turn off the second factor of {email}, so that the password alone is enough?", yes=yes)
    was_on = asyncio.run(_on_account(settings, functools.partial(factor_service.reset, email=email)))
    click.echo(f"The second factor of {email} is off." if was_on else f"{email} has no second factor; nothing to do.")


def read_password(*, from_stdin: bool, file: Path | None) -> str:
    """A password from standard input, a file or the terminal; never an argument: those are visible to everybody."""
    if from_stdin and file:
        raise CommandFailed("both `--password-stdin` and `--password-file` are given", "keep one of them", USAGE)
    try:
        if file:
            return _first_line(file.read_text(encoding="utf-8"))
        if from_stdin:
            return _first_line(sys.stdin.read())
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandFailed("the password cannot be read", "write it as text in UTF-8", USAGE) from exc
    if not sys.stdin.isatty():
        hint = "pass it with `--password-stdin` or `--password-file`, or run this on a terminal (`docker … -it`)"
        raise CommandFailed("there is no password and no terminal to ask for one", hint, USAGE)
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].rstrip("\r")


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed("there is no terminal to ask whether you mean it", "repeat it with `--yes`", USAGE)
    click.confirm(question, abort=True)


async def _on_account(settings: Settings, work: Callable[..., Coroutine[None, None, _Result]]) -> _Result:
    from expenses.errors import ServiceError  # noqa: PLC0415 - `--help` does not wait for it
    from expenses.http import utc_now  # noqa: PLC0415 - same

    async with connected(settings) as session:
        try:
            return await work(session, now=utc_now())
        except ServiceError as exc:
            is_nobody = exc.status == 404
            hint = "check the address; it is the one they sign in with" if is_nobody else f"correct `{exc.field}`"
            raise CommandFailed(as_clause(exc.detail), hint, REFUSED) from exc
