"""What holds for a whole workspace, on a page: name, kind, currency, time zone; and making another workspace."""

import zoneinfo
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from expenses.accounts.forms import Fields, SignedIn
from expenses.accounts.model import Actor
from expenses.errors import Conflict, Invalid, PreconditionFailed
from expenses.http import Now, SessionDep
from expenses.money import CURRENCIES
from expenses.versions import version_of
from expenses.web import flash
from expenses.web.forms import version_in
from expenses.web.overtaken import Overtaken
from expenses.web.page import page, see_other
from expenses.workspaces import service
from expenses.workspaces.model import Membership, WorkspaceChange, kind_named
from expenses.workspaces.rights import Action, needs

router = APIRouter(include_in_schema=False)

_FIELDS = ("name", "kind", "base_currency", "time_zone")
_LABELS = {"name": "Name", "kind": "It is a", "base_currency": "Currency", "time_zone": "Time zone"}
_UNSAVED = Overtaken(
    "Not saved: the workspace",
    "Save again to put what stands below in its place.",
    lead="Where your form differs, it now says:",
)
_NEW = {"name": "", "kind": "household", "base_currency": "EUR", "time_zone": "UTC"}


@router.get("/w/{workspace_id:uuid}/settings", openapi_extra=needs(Action.SEE_WORKSPACE))
async def settings_page(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, workspace_id: UUID
) -> Response:
    membership = await service.get_workspace(session, actor=actor, workspace_id=workspace_id)
    return _settings(request, actor, membership, form={}, now=now)


@router.post("/w/{workspace_id:uuid}/settings", openapi_extra=needs(Action.CHANGE_WORKSPACE))
async def change(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields, *, workspace_id: UUID
) -> Response:
    try:
        wanted = WorkspaceChange(
            name=fields.get("name"),
            kind=kind_named(fields.get("kind", "")),
            base_currency=fields.get("base_currency"),
            time_zone=fields.get("time_zone", "").strip(),
        )
        await service.change_workspace(
            session, actor=actor, workspace_id=workspace_id, change=wanted, expected=version_in(fields), now=now
        )
    except (Invalid, Conflict, PreconditionFailed) as error:
        membership = await service.get_workspace(session, actor=actor, workspace_id=workspace_id)
        return _settings(request, actor, membership, form=fields, error=error, now=now)
    response = see_other(f"/w/{workspace_id}/settings")
    flash.remember(request, response, path=f"/w/{workspace_id}", done=flash.Done("settings", workspace_id))
    return response


@router.get("/workspaces/new")
async def new_page(request: Request, now: Now, actor: SignedIn) -> Response:
    return page(request, "workspaces/new.html", actor=actor, errors={}, **_choices(_NEW, now))


@router.post("/workspaces/new")
async def create(request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields) -> Response:
    try:
        made = await service.create_workspace(
            session,
            actor=actor,
            name=fields.get("name", ""),
            kind=kind_named(fields.get("kind", "")),
            base_currency=fields.get("base_currency", ""),
            time_zone=fields.get("time_zone", "").strip(),
            now=now,
        )
    except Invalid as error:
        errors = {error.field or "form": error.detail}
        context = _choices(_NEW | _given(fields), now)
        return page(request, "workspaces/new.html", status=422, actor=actor, errors=errors, **context)
    return see_other(f"/w/{made.workspace.id}/")


def _settings(
    request: Request,
    actor: Actor,
    membership: Membership,
    *,
    form: dict[str, str],
    error: Invalid | Conflict | PreconditionFailed | None = None,
    now: datetime,
) -> Response:
    stored = {name: getattr(membership.workspace, name) for name in _FIELDS}
    overtaken = _overtaken(membership, stored, form) if isinstance(error, PreconditionFailed) else None
    current = version_of(membership.snapshot())
    done = flash.recall(request)
    response = page(
        request,
        "workspaces/settings.html",
        status=error.status if error else 200,
        actor=actor,
        membership=membership,
        may_change=Action.CHANGE_WORKSPACE.allows(membership.role),
        errors={error.field or "form": error.detail} if error and not overtaken else {},
        overtaken=overtaken,
        version=current if overtaken else version_in(form) or current,
        notice="Saved." if done and done.action == "settings" else None,
        **_choices(stored | _given(form), now),
    )
    flash.forget(request, response, path=f"/w/{membership.workspace.id}")
    return response


def _overtaken(membership: Membership, stored: dict[str, str], form: dict[str, str]) -> Overtaken:
    now = tuple((_LABELS[name], stored[name]) for name in _FIELDS if form.get(name, "").strip() != stored[name])
    return replace(_UNSAVED, now=now, afresh=f"/w/{membership.workspace.id}/settings")


def _given(fields: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name in _FIELDS}


def _choices(form: dict[str, str], now: datetime) -> dict[str, Any]:
    chosen = form["base_currency"]
    today = now.date()
    currencies = [each for each in CURRENCIES.values() if each.code == chosen or not each.is_withdrawn(today)]
    return {"form": form, "currencies": currencies, "time_zones": _time_zones()}


@cache
def _time_zones() -> list[str]:
    return sorted(zoneinfo.available_timezones())
