"""The page on which people see to their account: second factor, password, browsers, tokens, what happened."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response

from expenses.accounts import factor_service, profile_service, token_service
from expenses.accounts.factors import SecondFactorState, WrongCode
from expenses.accounts.forms import Fields, SignedIn
from expenses.accounts.model import PASSWORD_MIN_LENGTH, Actor
from expenses.accounts.qr import qr_picture
from expenses.accounts.view import DONE, EVENTS, LIFETIMES, SCOPES, scopes_text
from expenses.db import Session
from expenses.errors import Invalid, ServiceError
from expenses.http import Now, SessionDep
from expenses.web import flash
from expenses.web.page import page, see_other

router = APIRouter(prefix="/security", include_in_schema=False)

_HOME = "/security"


@router.get("")
async def security_page(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, *, tokens: str | None = None
) -> Response:
    return await _page(request, session, actor, now, tokens_cursor=tokens)


@router.get("/events")
async def events_page(request: Request, session: SessionDep, actor: SignedIn, cursor: str | None = None) -> Response:
    found = await token_service.list_events(session, actor=actor, cursor=cursor)
    return page(request, "accounts/events.html", actor=actor, events=found.items, event_texts=EVENTS, next=found.next)


@router.post("/profile")
async def change_profile(request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields) -> Response:
    try:
        await profile_service.change_profile(
            session,
            actor=actor,
            display_name=fields.get("display_name", ""),
            email=fields.get("email", ""),
            password=fields.get("password", ""),
            now=now,
        )
    except ServiceError as error:
        return await _page(request, session, actor, now, form=fields, section="profile", error=error)
    return _back(request, actor, "profilesaved")


@router.post("/password")
async def change_password(request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields) -> Response:
    try:
        await profile_service.change_password(
            session,
            actor=actor,
            old=fields.get("old_password", ""),
            new=fields.get("new_password", ""),
            keep_tokens="keep_tokens" in fields,
            now=now,
        )
    except ServiceError as error:
        return await _page(request, session, actor, now, section="password", error=error)
    return _back(request, actor, "passwordchanged")


@router.post("/tokens")
async def create_token(request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields) -> Response:
    try:
        token, new = await token_service.create_token(
            session,
            actor=actor,
            name=fields.get("name", ""),
            scopes=fields.get("scopes", "").split(),
            days=_whole_number(fields.get("days", "")),
            now=now,
        )
    except ServiceError as error:
        return await _page(request, session, actor, now, form=fields, section="token", error=error)
    return page(
        request, "accounts/new_token.html", actor=actor, token=token, secret=new.token, scopes=scopes_text(token.scopes)
    )


@router.post("/tokens/{token_id:uuid}/revoke")
async def revoke_token(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, _: Fields, *, token_id: UUID
) -> Response:
    await token_service.revoke_token(session, actor=actor, token_id=token_id, now=now)
    return _back(request, actor, "tokenrevoked")


@router.post("/sessions/end-others")
async def end_other_sessions(request: Request, session: SessionDep, now: Now, actor: SignedIn, _: Fields) -> Response:
    await token_service.end_other_sessions(session, actor=actor, now=now)
    return _back(request, actor, "othersended")


@router.post("/sessions/{session_id:uuid}/end")
async def end_session(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, _: Fields, *, session_id: UUID
) -> Response:
    await token_service.end_session(session, actor=actor, session_id=session_id, now=now)
    return _back(request, actor, "sessionended")


@router.post("/second-factor")
async def begin_second_factor(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields
) -> Response:
    try:
        new = await factor_service.begin(session, actor=actor, password=fields.get("password", ""), now=now)
    except ServiceError as error:
        return await _page(request, session, actor, now, section="factor", error=error)
    return page(
        request, "accounts/new_factor.html", actor=actor, secret=new.secret, picture=qr_picture(new.address), errors={}
    )


@router.post("/second-factor/enable")
async def enable_second_factor(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields
) -> Response:
    try:
        codes = await factor_service.enable(session, actor=actor, code=fields.get("code", ""), now=now)
    except SecondFactorState as error:
        return await _page(request, session, actor, now, section="factor", error=error)
    except ServiceError as error:  # the secret is not shown again: who looks now need not be who said the password
        errors = {"code" if isinstance(error, WrongCode) else "form": error.detail}
        return page(
            request,
            "accounts/new_factor.html",
            status=error.status,
            actor=actor,
            secret=None,
            picture=None,
            errors=errors,
        )
    return page(request, "accounts/recovery_codes.html", actor=actor, codes=codes)


@router.post("/second-factor/disable")
async def disable_second_factor(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields
) -> Response:
    password, code = fields.get("password", ""), fields.get("code", "")
    try:
        await factor_service.disable(session, actor=actor, password=password, code=code, now=now)
    except ServiceError as error:
        return await _page(request, session, actor, now, section="off", error=error)
    return _back(request, actor, "factoroff")


@router.post("/second-factor/recovery-codes")
async def renew_recovery_codes(
    request: Request, session: SessionDep, now: Now, actor: SignedIn, fields: Fields
) -> Response:
    password, code = fields.get("password", ""), fields.get("code", "")
    try:
        codes = await factor_service.renew_recovery_codes(session, actor=actor, password=password, code=code, now=now)
    except ServiceError as error:
        return await _page(request, session, actor, now, section="codes", error=error)
    return page(request, "accounts/recovery_codes.html", actor=actor, codes=codes)


async def _page(
    request: Request,
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    form: dict[str, str] | None = None,
    section: str = "",
    error: ServiceError | None = None,
    tokens_cursor: str | None = None,
) -> Response:
    """The page, with one section's form as it was sent and what is wrong with it."""
    tokens = await token_service.list_tokens(session, actor=actor, now=now, cursor=tokens_cursor)
    sessions = await token_service.list_sessions(session, actor=actor, now=now)
    events = await token_service.list_events(session, actor=actor, limit=5)
    done = flash.recall(request)
    response = page(
        request,
        "accounts/security.html",
        status=error.status if error else 200,
        actor=actor,
        factor=await factor_service.status(session, actor=actor),
        sessions=sessions.items,
        tokens=tokens.items,
        older_tokens=tokens.next,
        events=events.items,
        event_texts=EVENTS,
        scope_choices=SCOPES,
        scopes_text=scopes_text,
        lifetimes=LIFETIMES,
        password_min_length=PASSWORD_MIN_LENGTH,
        form={"display_name": actor.display_name, "email": actor.email, "name": "", "scopes": "read", "days": "30"}
        | (form or {}),
        section=section,
        errors={f"{section}_{error.field or 'form'}": error.detail} if error else {},
        notice=DONE.get(done.action) if done else None,
    )
    if error and error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    flash.forget(request, response, path=_HOME)
    return response


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid("Choose how long it is to be valid.", field="expires_in_days")
    return int(text)


def _back(request: Request, actor: Actor, action: str) -> Response:
    response = see_other(_HOME)
    flash.remember(request, response, path=_HOME, done=flash.Done(action, actor.user_id))
    return response
