"""What a run that did not succeed is called: which revision, which statement, why, what stays, what to do next."""

from __future__ import annotations

import os
import signal

from tidegate.errors import Interrupted, MigrationFailed, PoolerInTheWay, TidegateError, UsageError
from tidegate.report.duration import show_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tidegate.report.state import Judgement
    from tidegate.run.clearance import Clearance
    from tidegate.run.request import Request
    from tidegate.run.supervise import Account

STATEMENT_SHOWN = 500
"""How much of a statement is shown, in characters."""

_LOST = {"08", "57", "53"}
"""Classes of SQLSTATE that are not the revision's fault: connection, operator intervention, no resources."""


_CANCELLED = "57014"
"""SQLSTATE: canceling statement due to statement timeout, or to somebody's request."""


def outcome_of(exc: BaseException) -> str:
    """What the record says of a run that ended with this."""
    return "interrupted" if isinstance(exc, (Interrupted, KeyboardInterrupt, SystemExit)) else "failed"


def raise_for(
    account: Account,
    request: Request,
    *,
    before: Judgement,
    after: Judgement,
    signum: int | None,
    clearance: Clearance,
) -> None:
    """Return if the run did what was asked, which the fresh look must confirm.

    Raises:
        Interrupted: A signal came and the target is not reached.
        UsageError: Alembic could not make sense of what was asked.
        MigrationFailed: Everything else.
    """
    at = ", ".join(after.current) or "no revision"
    if account.error is None and account.exit_code == 0 and _reached(account, request, after):
        return
    if signum is not None:
        name = signal.Signals(signum).name
        raise Interrupted(
            signum,
            f"stopped by {name}; the statement was cancelled, the database is at `{at}`",
            hint=f"run `{request.command}` again when you are ready",
        )
    if account.gave_up:
        raise _given_up(account, request, clearance, at)
    if account.error is not None:
        raise _from_worker(account.error, request, at, clearance)
    again = f"run `{request.command}` again; it waits for anything that is left on the server"
    if account.lost_control:
        raise MigrationFailed(
            f"the connection that held the migration lock was lost, so the run was stopped; the database is at `{at}`",
            hint=again,
        )
    if account.lost_worker:
        raise MigrationFailed(
            "the working session was lost: the server no longer has it while the run waits for its answer; "
            f"the database is at `{at}`",
            hint=again,
        )
    if account.exit_code != 0 or not account.is_done:
        ended = f"the worker ended by {_ending(account.exit_code)}{_in_the_middle(account)}"
        raise MigrationFailed(
            f"{ended}; the database is at `{at}`",
            hint=f"{again}; if it ends so once more, see what that revision loads or calls",
            revision=account.at_work,
        )
    raise MigrationFailed(
        f"Alembic ended without an error, but the database is at `{at}` and was at "
        f"`{', '.join(before.current) or 'no revision'}` before: what it did was rolled back",
        hint="see in `migrations/env.py` that `context.run_migrations()` runs inside `context.begin_transaction()` "
        "and that nothing rolls back behind it",
    )


def unverified(account: Account, request: Request, exc: Exception, *, signum: int | None) -> TidegateError:
    """The run ended and nobody can say where the database is: it is not reachable any more."""
    why = "the connection that held the migration lock was lost" if account.lost_control else "the worker ended"
    if account.error is not None:
        why = str(account.error["message"])
    done = f"; `{account.applied[-1]}` was the last that was reported as done" if account.applied else ""
    message = request.database.redact(
        f"{why}, and where the database is now could not be seen: {exc}\n"
        f"  database:  at a revision boundary, unless the revision commits by itself{done}"
    )
    hint = (
        f"when the database answers, `tidegate status` says where it is; then run `{request.command}` again: "
        "it waits for anything that is left on the server"
    )
    if signum is not None:
        return Interrupted(signum, f"stopped by {signal.Signals(signum).name}; {message}", hint=hint)
    return MigrationFailed(message, hint=hint)


def _reached(account: Account, request: Request, after: Judgement) -> bool:
    if request.direction == "downgrade":
        return not set(account.plan) & set(after.current)
    done = {revision.id for revision in after.pending}.isdisjoint(account.plan)
    return done and (request.target not in {"head", "heads"} or not after.pending)


def _given_up(account: Account, request: Request, clearance: Clearance, at: str) -> MigrationFailed:
    """Others held the locks for too long. Nothing is wrong with the revision."""
    error = account.error or {}
    patience, blockers = clearance.patience, clearance.blockers
    times = f"{patience.attempt} attempt{'s' if patience.attempt > 1 else ''}"
    who = "".join(f"\n  in the way: {blocker}" for blocker in blockers)
    end = f", or end what is in the way: `{blockers[0].end_command}`" if blockers else ""
    return MigrationFailed(
        f"revision `{error.get('revision')}` did not get its locks in {show_duration(patience.waited_s)} and {times} "
        f"and was rolled back{_indented(error, request)}{who}\n  database:  at `{at}`",
        hint=f"run `{request.command}` again at a quieter time, allow more with `--retry-for 1h` and "
        f"`--lock-timeout-max 1s` (the application may then wait that long){end}",
        sqlstate=error.get("sqlstate"),
        revision=error.get("revision"),
    )


def _from_worker(error: dict[str, Any], request: Request, at: str, clearance: Clearance) -> TidegateError:
    said = request.database.redact(str(error["message"]))
    if error["kind"] == "refused":
        return MigrationFailed(
            f"{said}; nothing was changed",
            hint="let `env.py` use the same URL as tidegate: `TIDEGATE_DATABASE_URL`, or `tidegate.guard(url=…)` there",
        )
    if error["kind"] == "pooler":
        return PoolerInTheWay(
            f"{said}; nothing was changed",
            hint="let `env.py` take `sqlalchemy.url` from its configuration, and set `TIDEGATE_DATABASE_URL` to the "
            "direct URL of PostgreSQL",
        )
    if clearance.refusal is not None:
        return MigrationFailed(
            f"revision `{error['revision']}` was stopped: {clearance.refusal.reason}{_indented(error, request)}\n"
            f"  database:  at `{at}`",
            hint=f"{clearance.refusal.hint}; then run `{request.command}` again",
            revision=error["revision"],
        )
    if error["kind"] == "half_done":
        return _half_done(error, request, f"{said}\n  database:  at `{at}`")
    if error["revision"] is None:
        return _outside_a_revision(error, request, f"{said}{_indented(error, request)}\n  database:  at `{at}`")
    done = "".join(f"\n  committed: {_one_line(sent.sql, request)}" for sent in clearance.trace.committed)
    sqlstate = f" (SQLSTATE {error['sqlstate']})" if error["sqlstate"] else ""
    return MigrationFailed(
        f"revision `{error['revision']}` {_what_stays(error, clearance)}: {said}{sqlstate}"
        f"{_indented(error, request)}{done}\n  database:  at `{at}`",
        hint=_next_command(error, request, clearance),
        sqlstate=error["sqlstate"],
        revision=error["revision"],
    )


def _what_stays(error: dict[str, Any], clearance: Clearance) -> str:
    if not error["committed_part"]:
        return "failed and was rolled back"
    if clearance.trace.committed or "CONCURRENTLY" not in str(error["statement"]).upper():
        return "failed after part of it was committed"
    return "failed, and what its statement had half done stays"


def _half_done(error: dict[str, Any], request: Request, message: str) -> MigrationFailed:
    forget = f"DELETE FROM tidegate.step WHERE revision = '{error['revision']}'"  # noqa: S608 - for people to copy
    return MigrationFailed(
        message,
        hint="bring the database by hand to where the revision begins, or to its end and say so with `alembic stamp`; "
        f"then `{forget}`, and run `{request.command}` again",
        revision=error["revision"],
    )


def _outside_a_revision(error: dict[str, Any], request: Request, message: str) -> TidegateError:
    if error["kind"] == "alembic":
        return UsageError(message, hint=f"`alembic history` lists the revisions; then `{request.command}` again")
    file = os.path.relpath(error["file"]) if error.get("file") else "env.py"
    return MigrationFailed(message, hint=f"mend `{file}`, then run `{request.command}` again")


def _next_command(error: dict[str, Any], request: Request, clearance: Clearance) -> str:
    if error["sqlstate"] == _CANCELLED:
        return (
            "if it was `statement_timeout` (`SHOW statement_timeout`), give the revision the time it needs: "
            "`op.execute(\"SET LOCAL statement_timeout = '1h'\")` at its beginning; then run "
            f"`{request.command}` again"
        )
    if error["kind"] == "database" and (error["sqlstate"] or "08")[:2] in _LOST:
        return f"see the server's log, then run `{request.command}` again; it waits for anything that is left there"
    if error["committed_part"] and clearance.trace.can_be_repeated:
        return (
            f"mend the cause, then run `{request.command}` again: what is done already is skipped or repeated without "
            "harm, and an index left INVALID is built anew"
        )
    if error["committed_part"]:
        return (
            "see in the database what the revision already did and make the file able to start from there, "
            f"then run `{request.command}` again"
        )
    return f"mend the revision file, then run `{request.command}` again; no lock is left behind"


def _indented(error: dict[str, Any], request: Request) -> str:
    text = ""
    if error["statement"]:
        text += f"\n  statement: {_one_line(str(error['statement']), request)}"
    if error["where"]:
        text += "\n" + request.database.redact(str(error["where"])).rstrip()
    return text


def _one_line(sql: str, request: Request) -> str:
    line = request.database.redact(" ".join(sql.split()))
    return f"{line[:STATEMENT_SHOWN]}…" if len(line) > STATEMENT_SHOWN else line


def _in_the_middle(account: Account) -> str:
    if account.at_work is None:
        return ""
    statement = f", behind `{account.statement[:100]}`" if account.statement else ""
    return f" in the middle of revision `{account.at_work}`{statement}"


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"exit code {exit_code}"
