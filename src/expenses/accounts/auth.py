"""Who makes this request: what routes declare, and the session's cookie.

A bearer token counts before a cookie. Requests that change something need the scope `write`, those about the account
itself `admin` (a page session has all scopes). With a cookie they need the session's CSRF token as well, in the header
`X-CSRF-Token` (the API) or in the field `csrf_token` (forms of pages, which call `check_csrf_token`). Without
`from __future__ import annotations`: FastAPI reads the annotations.
"""

import hmac
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Request, Response, Security
from fastapi.security import OAuth2PasswordBearer

from expenses.accounts import service
from expenses.accounts.devices import device_of
from expenses.accounts.model import (
    Actor,
    InsufficientScope,
    InvalidToken,
    NewSession,
    RegistrationClosed,
    Scope,
    WrongCSRFToken,
)
from expenses.config import Settings
from expenses.errors import Unauthenticated
from expenses.http import Now, SessionDep
from expenses.ids import read_id

CSRF_HEADER = "X-CSRF-Token"
"""Where the API looks for the CSRF token of a request with a session cookie."""

CSRF_FIELD = "csrf_token"
"""Name of the form field in which pages send it."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = OAuth2PasswordBearer(
    tokenUrl="/api/v1/auth/token",
    scopes={
        "read": "See everything you may see",
        "write": "Change everything you may change",
        "admin": "Manage the account itself: tokens, sessions, second factor, password, address",
    },
    auto_error=False,
)


BearerToken = Annotated[str | None, Depends(_bearer)]
"""The token in the header `Authorization: Bearer …`, not looked at yet."""


async def _optional_caller(request: Request, session: SessionDep, now: Now) -> Actor | None:
    cookie = session_cookie(request)
    actor = (
        await service.actor_of_session(session, token=cookie, workspace_id=_workspace_id(request), now=now)
        if cookie
        else None
    )
    if actor is not None:
        request.state.person_id = actor.user_id  # `limits` counts by it
    return actor


async def _signed_in(request: Request, session: SessionDep, now: Now, token: BearerToken) -> Actor:
    if token is not None:
        actor = await service.actor_of_token(session, token=token, workspace_id=_workspace_id(request), now=now)
    elif session_cookie(request):
        actor = await _optional_caller(request, session, now)
    else:
        raise Unauthenticated
    if actor is None:
        raise InvalidToken
    request.state.person_id = actor.user_id
    if request.method not in _SAFE_METHODS and actor.via == "session":
        check_csrf_token(actor, request.headers.get(CSRF_HEADER))
    return actor


async def _caller(request: Request, actor: Annotated[Actor, Depends(_signed_in)]) -> Actor:
    return _with_scope(actor, "read" if request.method in _SAFE_METHODS else "write")


async def _administrator(actor: Annotated[Actor, Depends(_signed_in)]) -> Actor:
    return _with_scope(actor, "admin")


def _with_scope(actor: Actor, needed: Scope) -> Actor:
    if needed not in actor.scopes:
        raise InsufficientScope(f"This token lacks the scope `{needed}`.")
    return actor


Caller = Annotated[Actor, Depends(_caller)]
"""Who makes this API request, by token or by cookie, with the right to read or, if the method is unsafe, to write."""

Administrator = Annotated[Actor, Security(_administrator, scopes=["admin"])]
"""As `Caller`, with the right to manage the account itself."""

AnyCaller = Annotated[Actor, Depends(_signed_in)]
"""As `Caller`, whatever the token's scopes: for giving the token back."""

OptionalCaller = Annotated[Actor | None, Depends(_optional_caller)]
"""For pages: whose session cookie this is, or None. A form of theirs must still pass `check_csrf_token`."""


def check_csrf_token(actor: Actor, given: str | None) -> None:
    """Refuse a changing request of a session that does not carry the session's CSRF token.

    Raises:
        WrongCSRFToken: It is missing or wrong. Never raised for API tokens: browsers do not add those by themselves.
    """
    if actor.via == "token":
        return
    expected = actor.csrf_token or ""
    if not given or not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise WrongCSRFToken


def refuse_foreign_origin(request: Request) -> None:
    """Dependency for forms: refuse what another site made the browser send, by the browser's own word.

    That is `Sec-Fetch-Site`, else (browsers leave it out over plain HTTP) `Origin`; programs send neither. Hosts are
    compared without ports, since a proxy may take the port off `Host`: this stands beside the tokens, not for them.

    Raises:
        WrongCSRFToken: Another site sent it.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        is_foreign = site not in {"same-origin", "none"}
    else:
        is_foreign = origin is not None and _host(origin) != request.url.hostname
    if is_foreign:
        raise WrongCSRFToken


def require_open_registration(request: Request) -> None:
    """Dependency of whatever makes accounts for strangers.

    Raises:
        RegistrationClosed: The operator has not said `REGISTRATION=open`.
    """
    if _settings(request).registration != "open":
        raise RegistrationClosed


def client_address(request: Request) -> str:
    """Where the request comes from. Behind a proxy that is uvicorn's to know (`--forwarded-allow-ips`)."""
    return request.client.host if request.client else "unknown"


def client_device(request: Request) -> str:
    """What a person recognises the browser by that makes this request."""
    return device_of(request.headers.get("User-Agent"))


def session_cookie(request: Request) -> str | None:
    """The token in the session's cookie, if there is one."""
    return request.cookies.get(_cookie_name(_settings(request)))


def set_session_cookie(request: Request, response: Response, *, new: NewSession, now: datetime) -> None:
    """Let the browser keep the session: out of reach of scripts and of requests that other sites make it send."""
    settings = _settings(request)
    response.set_cookie(
        _cookie_name(settings),
        new.token,
        max_age=int((new.expires_at - now).total_seconds()),
        path="/",
        secure=settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(request: Request, response: Response) -> None:
    """Let the browser forget the session."""
    settings = _settings(request)
    response.delete_cookie(
        _cookie_name(settings), path="/", secure=settings.secure_cookies, httponly=True, samesite="lax"
    )


def _workspace_id(request: Request) -> UUID | None:
    """The workspace that the path names, if it does."""
    try:
        return read_id(str(request.path_params["workspace_id"]))  # the API has it as text, the pages as an id
    except (KeyError, ValueError):  # what is no id is refused when parameters are looked at
        return None


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:  # such as an IPv6 address without its closing bracket
        return None


def _cookie_name(settings: Settings) -> str:
    # The prefix makes browsers refuse a cookie of this name that a neighbouring host or plain HTTP has set.
    return "__Host-expenses_session" if settings.secure_cookies else "expenses_session"


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings
