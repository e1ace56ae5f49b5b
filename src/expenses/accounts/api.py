"""Signing in and out of the API. Registration is in `workspaces.api`: it makes an account and a workspace.

What somebody who is signed in does with the account: `account_api`.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel

from expenses.accounts import service, token_service
from expenses.accounts.auth import AnyCaller, clear_session_cookie, client_address, session_cookie
from expenses.http import Now, SessionDep
from expenses.openapi import operation_id, problems

router = APIRouter(prefix="/api/v1", tags=["accounts"], generate_unique_id_function=operation_id)

_DEFAULT_TOKEN_NAME = "API"  # noqa: S105 - a label that its owner sees in the list of tokens

_CODE = (
    "Code of the authenticator app, or a recovery code, of accounts that have a second factor. Without it they answer "
    "401 `second_factor_required`; ask for the code then, and send the whole form again."
)


class IssuedToken(BaseModel):
    """An API token; it can be read only here."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a word of RFC 6750
    expires_in: int
    scope: str


@router.post("/auth/token", summary="Sign in with e-mail address and password", responses=problems(401, 429, 503))
async def issue_token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    request: Request,
    response: Response,
    session: SessionDep,
    now: Now,
    *,
    code: Annotated[str | None, Form(description=_CODE)] = None,
) -> IssuedToken:
    new = await service.issue_token(
        session,
        email=form.username,
        password=form.password,
        client_address=client_address(request),
        name=form.client_id or _DEFAULT_TOKEN_NAME,
        scopes=form.scopes,
        code=code,
        now=now,
    )
    response.headers["Cache-Control"] = "no-store"
    expires_in = int((new.expires_at - now).total_seconds())
    return IssuedToken(access_token=new.token, expires_in=expires_in, scope=" ".join(sorted(new.scopes)))


@router.post("/auth/logout", summary="Revoke the token of this request", status_code=204, responses=problems(401, 403))
async def sign_out(actor: AnyCaller, request: Request, response: Response, session: SessionDep, now: Now) -> None:
    if actor.via == "token" and actor.credential_id is not None:
        await token_service.revoke_token(session, actor=actor, token_id=actor.credential_id, now=now)
    elif cookie := session_cookie(request):
        await service.sign_out(session, token=cookie, now=now)
        clear_session_cookie(request, response)
