"""Signing in and out of the API, and a person's own tokens. Registration is in `workspaces.api`: it makes both."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel

from expenses.accounts import service
from expenses.accounts.auth import AnyCaller, BearerToken, Caller, clear_session_cookie, client_address, session_cookie
from expenses.http import Now, SessionDep
from expenses.openapi import problems

router = APIRouter(prefix="/api/v1", tags=["accounts"])

_DEFAULT_TOKEN_NAME = "API"  # noqa: S105 - a label that its owner sees in the list of tokens


class IssuedToken(BaseModel):
    """An API token; it can be read only here."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a word of RFC 6750
    expires_in: int
    scope: str


class TokenOut(BaseModel):
    """An API token as its owner sees it later."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class TokenList(BaseModel):
    """All valid tokens of one person."""

    items: list[TokenOut]
    next: str | None = None


@router.post("/auth/token", summary="Sign in with e-mail address and password", responses=problems(401, 429, 503))
async def issue_token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    request: Request,
    response: Response,
    session: SessionDep,
    now: Now,
) -> IssuedToken:
    new = await service.issue_token(
        session,
        email=form.username,
        password=form.password,
        client_address=client_address(request),
        name=form.client_id or _DEFAULT_TOKEN_NAME,
        scopes=form.scopes,
        now=now,
    )
    response.headers["Cache-Control"] = "no-store"
    expires_in = int((new.expires_at - now).total_seconds())
    return IssuedToken(access_token=new.token, expires_in=expires_in, scope=" ".join(sorted(new.scopes)))


@router.post("/auth/logout", summary="Revoke the token of this request", status_code=204, responses=problems(401, 403))
async def sign_out(
    _: AnyCaller, token: BearerToken, request: Request, response: Response, session: SessionDep, now: Now
) -> None:
    if token is not None:
        await service.revoke_token(session, token=token, now=now)
    elif cookie := session_cookie(request):
        await service.sign_out(session, token=cookie, now=now)
        clear_session_cookie(request, response)


@router.get("/me/tokens", summary="List your API tokens", responses=problems(401, 403))
async def list_tokens(actor: Caller, session: SessionDep, now: Now) -> TokenList:
    tokens = await service.list_tokens(session, actor=actor, now=now)
    return TokenList(items=[TokenOut.model_validate(token, from_attributes=True) for token in tokens])


@router.delete(
    "/me/tokens/{token_id}", summary="Revoke one of your API tokens", status_code=204, responses=problems(401, 403, 404)
)
async def revoke_token(token_id: UUID, actor: Caller, session: SessionDep, now: Now) -> None:
    await service.revoke_token_by_id(session, actor=actor, token_id=token_id, now=now)
